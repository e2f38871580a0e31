"""Run public code of probes on features in place of images."""
import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from unittest.mock import MagicMock

import torch

# What public code imports and fitting does not use.
UNUSED = ('clip', 'clip.simple_tokenizer', 'datasets', 'datasets.imagenet',
          'datasets.imagenet_templates', 'datasets.utils', 'cv2',
          'matplotlib', 'matplotlib.pyplot')


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


class Texts(torch.nn.Identity):
    """A text encoder to which texts are their features already."""

    def forward(self, text, eot_indices):
        return text


def dassl_config(lr: float, epochs: int, name: str, decay: float):
    """Options of Dassl's optimiser and schedule."""
    from dassl.config import get_cfg_default
    cfg = get_cfg_default()
    cfg.merge_from_list([
        'OPTIM.NAME', name, 'OPTIM.LR', lr, 'OPTIM.MAX_EPOCH', epochs,
        'OPTIM.LR_SCHEDULER', 'cosine', 'OPTIM.WARMUP_EPOCH', 1,
        'OPTIM.WARMUP_TYPE', 'constant', 'OPTIM.WARMUP_CONS_LR', 1e-5,
        'OPTIM.WEIGHT_DECAY', decay])
    return cfg
