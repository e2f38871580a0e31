"""The three consistency losses of PromptSRC."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.losses.base import require_teacher
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class SelfConsistencyLoss(nn.Module):
    r"""Keep features and predictions close to those of the frozen CLIP.

    The loss follows the code of "Self-regulating Prompts" (PromptSRC, Khattak
    et al., ICCV 2023; section 3.2.1 of the paper). It is the weighted sum of
    the mean absolute difference of normalised texts, that of normalised
    images, and :math:`\sum p^{frozen} (\log p^{frozen} - \log p) / (B C)`
    over similarity logits.

    Args:
        text_weight (float): Weight of the texts. Defaults to 25.0.
        image_weight (float): Weight of the images. Defaults to 10.0.
        logit_weight (float): Weight of the predictions. Defaults to 1.0.

    Examples:
        >>> model = dict(
        ...     backbone=dict(teacher=dict(image=True)),
        ...     head=dict(losses=[dict(type='SelfConsistencyLoss')]))
    """

    def __init__(self, text_weight: float = 25., image_weight: float = 10.,
                 logit_weight: float = 1.) -> None:
        super().__init__()
        self.text_weight = text_weight
        self.image_weight = image_weight
        self.logit_weight = logit_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor, target: Tensor
                ) -> Tensor:
        """Compute the scalar loss from similarity ``logits (B, C)``.

        Raises:
            DeptError: If the backbone has no teacher with images.
        """
        teacher = require_teacher(self, feats)
        if teacher.image is None:
            raise DeptError('SelfConsistencyLoss compares images as well: '
                            'give the backbone teacher=dict(image=True).')
        frozen = similarity(teacher.image, teacher.text, feats.logit_scale)
        # The public code divides by B C, not by B.
        divergence = F.kl_div(
            logits.log_softmax(1), frozen.log_softmax(1), reduction='sum',
            log_target=True) / logits.numel()
        return (self.text_weight * _compare(feats.text, teacher.text)
                + self.image_weight * _compare(feats.image, teacher.image)
                + self.logit_weight * divergence)


def _compare(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean absolute difference of features ``(..., D)`` after
    normalisation."""
    x, y = (F.normalize(t.float(), dim=-1) for t in (x, y))
    return torch.abs(x - y).mean()
