"""PromptSRC's consistency terms."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.losses.base import taught
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class SelfConsistencyLoss(nn.Module):
    r"""Keeps features and predictions near those of the frozen CLIP.

    "Self-regulating Prompts" (PromptSRC, Khattak et al., ICCV 2023), section
    3.2.1, as its code has it: the mean absolute difference of normalised
    texts and of normalised images, and :math:`\sum p^{frozen} (\log
    p^{frozen} - \log p) / (B C)` over similarity logits. Goes into
    ``losses`` of a head; the backbone needs ``teacher=dict(image=True)``.

    Args:
        text_weight (float): Defaults to 25.0.
        image_weight (float): Defaults to 10.0.
        logit_weight (float): Defaults to 1.0.
    """

    def __init__(self, text_weight: float = 25., image_weight: float = 10.,
                 logit_weight: float = 1.) -> None:
        super().__init__()
        self.text_weight = text_weight
        self.image_weight = image_weight
        self.logit_weight = logit_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor) -> Tensor:
        """A scalar, from similarity ``logits (B, C)``."""
        teacher = taught(self, feats)
        if teacher.image is None:
            raise DeptError('SelfConsistencyLoss compares images as well: '
                            'give the backbone teacher=dict(image=True).')
        frozen = similarity(teacher.image, teacher.text, feats.logit_scale)
        # The code divides by B C, not by B.
        divergence = F.kl_div(
            logits.log_softmax(1), frozen.log_softmax(1), reduction='sum',
            log_target=True) / logits.numel()
        return (self.text_weight * _difference(feats.text, teacher.text)
                + self.image_weight * _difference(feats.image, teacher.image)
                + self.logit_weight * divergence)


def _difference(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of normalised features ``(..., D)``."""
    x, y = (F.normalize(t.float(), dim=-1) for t in (x, y))
    return torch.abs(x - y).mean()
