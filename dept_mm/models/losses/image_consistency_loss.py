"""A loss that keeps image features close to those of the frozen CLIP."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.losses.base import require_teacher
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class ImageConsistencyLoss(nn.Module):
    r"""Keep image features close to those of the CLIP without prompts.

    The loss is :math:`w (1 - \frac{1}{B} \sum_i \cos(f_i, f_i^{frozen}))`,
    as in MMRL (Guo and Gu, CVPR 2025) and, with another view of the image for
    the teacher, CoPrompt (Roy and Etemad, ICLR 2024).

    Args:
        loss_weight (float): :math:`w`. Defaults to 1.0.

    Examples:
        >>> model = dict(
        ...     backbone=dict(teacher=dict(image=True)),
        ...     head=dict(losses=[dict(type='ImageConsistencyLoss')]))
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor, target: Tensor
                ) -> Tensor:
        """Compute the scalar loss of images ``(B, D)``.

        Raises:
            DeptError: If the backbone has no teacher with images.
        """
        frozen = require_teacher(self, feats).image
        if frozen is None:
            raise DeptError('ImageConsistencyLoss compares images: give the '
                            'backbone teacher=dict(image=True).')
        cosine = F.cosine_similarity(feats.image.float(), frozen.float(), -1)
        return self.loss_weight * (1 - cosine.mean())
