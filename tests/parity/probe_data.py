"""Features that public code of probes and ours are given alike."""
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

REFERENCE = Path(__file__).parents[1] / 'data/reference/probes.npz'
# One public script has the width 512 in it, and wants 64 images.
BASE, NEW, SHOTS, WIDTH = 6, 4, 12, 512


class ProbeData(NamedTuple):
    """Normalised image features, in the order of classes; texts as long as
    CLIP's."""
    images: Tensor
    labels: Tensor
    val_images: Tensor
    val_labels: Tensor
    test_images: Tensor
    texts: Tensor
    new_texts: Tensor


def make_data() -> ProbeData:
    """Draw clusters that overlap; numpy's draws are the same anywhere."""
    random = np.random.RandomState(0)

    def draw(*shape):
        return torch.from_numpy(random.randn(*shape)).float()

    centres, common = draw(BASE + NEW, WIDTH), draw(WIDTH)

    def images(count):
        rows = torch.arange(BASE).repeat_interleave(count)
        noise = 7 * draw(len(rows), WIDTH)
        return F.normalize(centres[rows] + 2 * common + noise, dim=1), rows

    texts = 8 * F.normalize(centres + common + 2 * draw(*centres.shape),
                            dim=1)
    return ProbeData(*images(SHOTS), *images(4), images(3)[0],
                     texts[:BASE], texts[BASE:])
