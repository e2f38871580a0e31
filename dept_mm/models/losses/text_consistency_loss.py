"""KgCoOp's consistency term."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.models.losses.base import taught
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class TextConsistencyLoss(nn.Module):
    r"""Keeps text features near those of hand-written sentences.

    "Visual-Language Prompt Tuning with Knowledge-guided Context
    Optimization" (Yao et al., CVPR 2023), as its code has it:
    :math:`w (1 - \frac{1}{C} \sum_c \cos(t_c, t_c^{frozen}))`. Goes into
    ``losses`` of a head; the backbone needs ``teacher=dict()``.

    Args:
        loss_weight (float): :math:`w`. Defaults to 8.0, the paper's; DePT's
            experiments use 2.0.
    """

    def __init__(self, loss_weight: float = 8.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor) -> Tensor:
        """A scalar; texts are ``(C, D)`` or ``(B, C, D)``."""
        text = feats.text.float()
        teacher = taught(self, feats).text.float()
        cosine = F.cosine_similarity(text, teacher, dim=-1)
        return self.loss_weight * (1 - cosine.mean())
