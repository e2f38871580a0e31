"""The loss of PromptKD, which distils a tuned model."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.losses.base import require_teacher
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class TeacherDivergenceLoss(nn.Module):
    r"""Bring predictions close to those of a tuned model.

    The loss is :math:`w \frac{T^2}{B C} \sum_{ic} p^{teacher}_{ic}
    (\log p^{teacher}_{ic} - \log p_{ic})` over ``B`` images and ``C``
    classes, where the probabilities :math:`p` are the softmax of the logits
    divided by :math:`T`. It follows the code of "PromptKD" (Li et al., CVPR
    2024), which divides by the number of classes, too.

    Args:
        temperature (float): :math:`T`. Defaults to 1.0.
        loss_weight (float): :math:`w`. Defaults to 1000.0; the paper has 200
            for Aircraft, Flowers102 and DTD.

    Examples:
        >>> model = dict(
        ...     backbone=dict(teacher=dict(
        ...         type='TunedTeacher', adapter='teacher.safetensors')),
        ...     head=dict(type='UnlabelledHead',
        ...               losses=[dict(type='TeacherDivergenceLoss')]))
    """

    def __init__(self, temperature: float = 1., loss_weight: float = 1000.
                 ) -> None:
        super().__init__()
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor,
                target: Tensor | None = None) -> Tensor:
        """Compute the scalar loss from similarity ``logits (B, C)``.

        Raises:
            DeptError: If the backbone has no tuned teacher.
        """
        teacher = require_teacher(self, feats).logits
        if teacher is None:
            raise DeptError('TeacherDivergenceLoss distils a tuned model: '
                            "give the backbone teacher=dict(type='Tuned"
                            "Teacher', adapter=...).")
        divergence = F.kl_div(
            (logits / self.temperature).log_softmax(1),
            (teacher / self.temperature).log_softmax(1),
            reduction='sum', log_target=True) / logits.numel()
        return self.loss_weight * self.temperature ** 2 * divergence
