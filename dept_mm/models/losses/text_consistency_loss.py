"""The text consistency loss of KgCoOp."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.models.losses.base import require_teacher
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class TextConsistencyLoss(nn.Module):
    r"""Keep text features close to those of hand-written sentences.

    The loss :math:`w (1 - \frac{1}{C} \sum_c \cos(t_c, t_c^{frozen}))`
    follows the code of "Visual-Language Prompt Tuning with Knowledge-guided
    Context Optimization" (KgCoOp, Yao et al., CVPR 2023).

    Args:
        loss_weight (float): :math:`w`. Defaults to 8.0, as in the paper;
            DePT's experiments use 2.0.

    Examples:
        >>> model = dict(
        ...     backbone=dict(teacher=dict()),
        ...     head=dict(losses=[dict(type='TextConsistencyLoss')]))
    """

    def __init__(self, loss_weight: float = 8.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor, target: Tensor
                ) -> Tensor:
        """Compute the scalar loss of texts ``(C, D)`` or ``(B, C, D)``.

        Raises:
            DeptError: If the backbone has no teacher.
        """
        text = feats.text.float()
        teacher = require_teacher(self, feats).text.float()
        cosine = F.cosine_similarity(text, teacher, dim=-1)
        return self.loss_weight * (1 - cosine.mean())
