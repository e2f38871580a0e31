"""CLIP's similarity of images and texts, which heads and losses share."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.structures import CLIPFeatures


def similarity(image: Tensor, text: Tensor, scale: Tensor,
               per_image: bool = False) -> Tensor:
    """Compute scaled cosine similarities in fp32: cosines differ in the third
    digit, which half precision does not carry.

    Args:
        image (Tensor): ``(B, D)``.
        text (Tensor): ``(C, D)``, or ``(B, C, D)`` where each image has
            texts of its own.
        scale (Tensor): Scalar.
        per_image (bool): Whether they have; see ``CLIPFeatures``.
            Defaults to False.

    Returns:
        Tensor: ``(B, C)``.
    """
    with torch.autocast(image.device.type, enabled=False):
        image = F.normalize(image.float(), dim=-1)
        text = F.normalize(text.float(), dim=-1)
        if per_image:
            return scale * torch.einsum('bd,bcd->bc', image, text)
        return scale * image @ text.T


def score_classes(feats: CLIPFeatures) -> Tensor:
    """Compute the similarities of images and classes ``(B, C)``, and add the
    bonus of a neck or learner, if there is one."""
    scores = similarity(feats.image, feats.text, feats.logit_scale,
                        feats.per_image)
    return scores if feats.bonus is None else scores + feats.bonus


def local_similarity(feats: CLIPFeatures) -> Tensor:
    """Compute the similarities of patches and classes, ``(B, P, C)``.

    Args:
        feats (CLIPFeatures): With features of patches; see ``PromptedCLIP``.
    """
    local, text = feats.extra['local'], feats.text
    batch, count = local.shape[:2]
    if feats.per_image:
        text = text.repeat_interleave(count, 0)
    return similarity(local.flatten(0, 1), text, feats.logit_scale,
                      feats.per_image).unflatten(0, (batch, count))
