"""A loss that keeps predictions close to those of zero-shot CLIP."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.losses.base import require_teacher
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class ZeroShotDivergenceLoss(nn.Module):
    r"""Keep predictions close to those of zero-shot CLIP.

    The loss is :math:`w T^2 \, \text{KL}(p^{frozen} \| p)`, averaged over
    the images, where the probabilities :math:`p` are the softmax of the
    similarity logits divided by :math:`T`. On its own it distils zero-shot
    CLIP. Together with a ``ProGradHook`` it is the guiding loss of ProGrad
    (Zhu et al., ICCV 2023). Where images are prompted or adapted, the teacher
    must encode the images too: ``teacher=dict(image=True)``.

    Args:
        temperature (float): :math:`T`. Defaults to 1.0.
        loss_weight (float): :math:`w`. Defaults to 1.0.

    Examples:
        >>> model = dict(
        ...     backbone=dict(teacher=dict()),
        ...     head=dict(losses=[dict(type='ZeroShotDivergenceLoss')]))
    """

    def __init__(self, temperature: float = 1., loss_weight: float = 1.
                 ) -> None:
        super().__init__()
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor, target: Tensor
                ) -> Tensor:
        """Compute the scalar loss from similarity ``logits (B, C)``.

        Raises:
            DeptError: If the backbone has no teacher, or one without images
                where it needs them.
        """
        teacher, image = require_teacher(self, feats), feats.image
        if teacher.image is not None:
            image = teacher.image
        elif image.requires_grad:
            raise DeptError('ZeroShotDivergenceLoss needs the image features '
                            'of zero-shot CLIP, but image features are '
                            'learned here: give the backbone '
                            'teacher=dict(image=True).')
        frozen = similarity(image, teacher.text, feats.logit_scale)
        divergence = F.kl_div(
            (logits / self.temperature).log_softmax(1),
            (frozen / self.temperature).log_softmax(1),
            reduction='batchmean', log_target=True)
        return self.loss_weight * self.temperature ** 2 * divergence
