"""Confidence in classes whose texts tuning has moved."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

NEIGHBOURS = 5
SAME = .05  # so near to a base class is a base class alone


def compute_factors(text: Tensor, frozen: Tensor, base: Tensor,
                    frozen_base: Tensor) -> Tensor:
    """Compute what logits of images of each predicted class are multiplied by.

    DAC, "Open-Vocabulary Calibration for Fine-tuned CLIP" (Wang et al., ICML
    2024): it is below 1 for a class that tuning has moved away from the base
    classes, above 1 for one that it has moved towards them, and 1 for the base
    classes. It needs no images.

    Args:
        text (Tensor): Class texts of the tuned model, ``(C, D)``.
        frozen (Tensor): The same of its CLIP without tuning, ``(C, D)``.
        base (Tensor): Texts of the base classes, tuned, ``(B, D)``.
        frozen_base (Tensor): The same of the CLIP without tuning, ``(B, D)``.

    Returns:
        Tensor: Factors ``(C, )``.
    """
    near = _find_nearest(text, base)
    near_before = _find_nearest(frozen, frozen_base)
    factors = (near_before.mean(1) - near.mean(1)).exp()
    return torch.where(near[:, 0] < SAME, 1., factors)


def _find_nearest(text: Tensor, base: Tensor) -> Tensor:
    """Find distances ``(C, K)`` to the nearest base classes, in order."""
    text, base = (F.normalize(x.double(), dim=1)
                  for x in (text, base.to(text.device)))
    # Not by matrix products, which lose small distances.
    found = torch.cdist(text, base,
                        compute_mode='donot_use_mm_for_euclid_dist')
    return found.topk(min(NEIGHBOURS, len(base)), largest=False).values
