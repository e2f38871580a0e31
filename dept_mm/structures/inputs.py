"""What a batch may carry in place of one image each."""
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ImageFeatures(NamedTuple):
    """Features that the image tower gave before, in place of images; or what
    a teacher gave, in place of its view of them.

    Collating and moving a batch keeps the type, so that a model knows them
    by what they are.

    Attributes:
        feature (Tensor): ``(D, )`` of a sample, ``(B, D)`` of a batch.
    """
    feature: Tensor


class Views(NamedTuple):
    """Two views of each image, of which the teacher sees the second.

    Attributes:
        image (Tensor): ``(3, H, W)`` of a sample, ``(B, 3, H, W)`` of a
            batch.
        teacher (Tensor | ImageFeatures): Of the same shape, or another size;
            or what the teacher gave before.
    """
    image: Tensor
    teacher: Tensor | ImageFeatures


class LowerStates(NamedTuple):
    """Images behind the first blocks of the image tower.

    Attributes:
        blocks (int): How many have run.
        hidden (Tensor): ``(T, W)`` of a sample, ``(B, T, W)`` of a batch.
    """
    blocks: int
    hidden: Tensor


class AugmentedViews(NamedTuple):
    """An image and augmented views of it, on which prompts are tuned.

    Attributes:
        image (Tensor): ``(3, H, W)`` of a sample, ``(B, 3, H, W)`` of a
            batch.
        augmented (Tensor): ``(N, 3, H, W)``, or ``(B, N, 3, H, W)``.
    """
    image: Tensor
    augmented: Tensor
