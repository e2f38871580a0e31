"""Run the public code of TDA, and write the logits that it gives.

    python tests/parity/make_tda.py PUBLIC

PUBLIC is a checkout of github.com/kdiAAA/TDA (e697fb0). It runs as it is, but
on the CPU, in fp32, and on features in place of images.
"""
import sys
from pathlib import Path
from unittest.mock import MagicMock, patch

import numpy as np
import torch

REFERENCE = Path(__file__).parents[1] / 'data/reference/tda.npz'
# The numbers of its configs/imagenet.yaml.
POSITIVE = dict(enabled=True, shot_capacity=3, alpha=2., beta=5.)
NEGATIVE = dict(enabled=True, shot_capacity=2, alpha=.117, beta=1.,
                entropy_threshold=dict(lower=.2, upper=.5),
                mask_threshold=dict(lower=.03, upper=1.))


def make_data() -> tuple[torch.Tensor, torch.Tensor]:
    """Draw normalised features of 120 images and 8 texts, some images of
    which are hard to tell."""
    random = torch.Generator().manual_seed(0)
    text = torch.randn(8, 16, generator=random) + 4
    image = text[torch.arange(120) % 8] + 1.5 * torch.randn(
        120, 16, generator=random)
    return (torch.nn.functional.normalize(image, dim=-1),
            torch.nn.functional.normalize(text, dim=-1))


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    for name in ('clip', 'wandb', 'datasets', 'datasets.imagenet',
                 'datasets.utils'):
        sys.modules[name] = MagicMock()
    import tda_runner
    image, text = make_data()
    logits = []

    def keep(output: torch.Tensor, target: torch.Tensor) -> float:
        logits.append(output.clone())
        return 0.

    model = MagicMock(encode_image=torch.clone)
    loader = [(row[None], torch.zeros(1)) for row in image]
    with patch.object(torch.Tensor, 'cuda', lambda x: x), patch.object(
            torch.Tensor, 'half', torch.Tensor.float), patch.object(
            tda_runner, 'cls_acc', keep):
        tda_runner.run_test_tda(POSITIVE, NEGATIVE, loader, model, text.T)
    np.savez_compressed(REFERENCE, logits=torch.cat(logits).numpy())


if __name__ == '__main__':
    main()
