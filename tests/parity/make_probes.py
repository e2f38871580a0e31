"""Fit probes with their public code, and write the logits that they give.

    python tests/parity/make_probes.py PUBLIC

PUBLIC is a folder of checkouts: ICLR24 (github.com/mrflogs, 560fe21).
Their functions run as they are, on features in place of images, without a
GPU and in fp32.
"""
import argparse
import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from unittest.mock import MagicMock

import numpy as np
import torch
from probe_data import BASE, REFERENCE, make_data
from torch.nn import functional as F

DATA = make_data()
TEXTS = F.normalize(DATA.texts, dim=1)
# What public code imports and fitting does not use.
UNUSED = ('clip', 'clip.simple_tokenizer', 'datasets', 'datasets.imagenet',
          'datasets.utils', 'cv2', 'matplotlib', 'matplotlib.pyplot')


@contextlib.contextmanager
def public(root: str, name: str) -> Iterator:
    """Import a module of a checkout; nothing of it stays imported."""
    sys.modules.update({unused: MagicMock() for unused in UNUSED})
    sys.path.insert(0, root)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield importlib.import_module(name)
    finally:
        sys.path.remove(root)
        for key, module in list(sys.modules.items()):
            if str(getattr(module, '__file__', '')).startswith(root):
                del sys.modules[key]


class Spy:
    """Stands for the function that measures accuracy, which this numpy
    refuses, and keeps the logits."""

    def __init__(self):
        self.seen = []

    def __call__(self, logits, labels, *args):
        self.seen.append(logits.detach().float().numpy())
        return 100 * (logits.argmax(1) == labels).float().mean().item()


def encoder():
    """A CLIP to which images are their features already."""
    clip = MagicMock()
    clip.encode_image = lambda image: image
    return clip


def run_gda(root: str) -> dict[str, np.ndarray]:
    """Gaussian discriminant analysis, of all classes and base-to-new."""
    found, cfg = {}, dict(augment_epoch=1, seed=1)
    loader = [(DATA.images, DATA.labels)]
    shared = dict(
        val_features=DATA.val_images, val_labels=DATA.val_labels,
        test_features=DATA.test_images, test_features_new=DATA.test_images,
        test_labels=torch.zeros(len(DATA.test_images)).long(),
        test_labels_new=torch.zeros(len(DATA.test_images)).long())
    with public(root, 'main_few_shots') as code:
        vars(code).update(shared)
        code.cls_acc = Spy()
        code.run(cfg, loader, TEXTS.T, encoder())
        found['gda'] = code.cls_acc.seen[-1]
    with public(root, 'main_base2new') as code:
        vars(code).update(shared)
        code.cls_acc = Spy()
        code.run(cfg, loader, TEXTS.T, F.normalize(DATA.new_texts, dim=1).T,
                 encoder())
        found['gda_plain'], found['gda_new'] = code.cls_acc.seen[-2:]
    return found


RUNS = dict(ICLR24=run_gda)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('public')
    args = parser.parse_args()
    torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *args: self
    found = {}
    for folder, run in RUNS.items():
        found |= run(f'{args.public}/{folder}')
    for key, value in found.items():
        print(key, value.shape, value.ravel()[:BASE])
    np.savez_compressed(REFERENCE, **found)


if __name__ == '__main__':
    main()
