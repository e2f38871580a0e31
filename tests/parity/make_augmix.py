"""Run the public code of TPT's AugMix, and write the images that it makes.

    python tests/parity/make_augmix.py TPT

TPT is a checkout of github.com/azshue/TPT (63ecbac). Its function ``augmix``
runs as it is, without the crop and flip before it, on images of the size that
it expects; every eighth pixel is kept.
"""
import sys
from pathlib import Path
from unittest.mock import MagicMock, patch

import numpy as np
import torch
from PIL import Image

FILE = Path(__file__).parents[1] / 'data/reference/augmix.npz'
SEEDS, SEVERITIES = range(8), (1, 9)


def make_image() -> np.ndarray:
    """A picture with edges and gradients, ``(224, 224, 3)``."""
    y, x = np.mgrid[:224, :224]
    image = np.stack([x, y, (x // 16 + y // 32) % 2 * 180], -1)
    return (image * .8 + 10).astype(np.uint8)


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    for name in ('data.hoi_dataset', 'data.fewshot_datasets'):
        sys.modules[name] = MagicMock(__all__=[])
    from data import augmix_ops, datautils
    found = []
    with patch.object(datautils, 'get_preaugment', lambda: lambda x: x):
        for severity in SEVERITIES:
            for seed in SEEDS:
                np.random.seed(seed)
                mixed = datautils.augmix(
                    Image.fromarray(make_image()),
                    lambda x: torch.from_numpy(np.float32(x)),
                    augmix_ops.augmentations, severity)
                found.append(mixed.numpy()[::8, ::8])
    np.savez_compressed(FILE, images=np.stack(found).astype(np.float32))


if __name__ == '__main__':
    main()
