"""The loss of the second image feature that MMRL learns."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class TokenFeatureLoss(nn.Module):
    r"""Classify by the feature of learned tokens in place of the image's.

    The loss is :math:`w \, \text{CE}(s', y)`, where the logits :math:`s'`
    compare class texts with the mean of representation tokens (MMRL, Guo and
    Gu, CVPR 2025, equation 12).

    Args:
        loss_weight (float): :math:`w`. Defaults to 0.3.

    Examples:
        >>> model = dict(
        ...     backbone=dict(prompt=dict(type='MMRLPrompt')),
        ...     head=dict(losses=[dict(type='TokenFeatureLoss')]))
    """

    def __init__(self, loss_weight: float = 0.3) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor, target: Tensor
                ) -> Tensor:
        """Compute the scalar loss; ``target (B, )`` are rows of ``text``.

        Raises:
            DeptError: If the learner has no such feature.
        """
        image = (feats.extra or {}).get('token_image')
        if image is None:
            raise DeptError('TokenFeatureLoss needs a learner with tokens of '
                            "its own feature: prompt=dict(type='MMRLPrompt').")
        scores = similarity(image, feats.text, feats.logit_scale,
                            feats.per_image)
        return self.loss_weight * F.cross_entropy(scores.float(), target)
