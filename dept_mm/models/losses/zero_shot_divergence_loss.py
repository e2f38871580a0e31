"""Divergence from zero-shot CLIP."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.losses.base import taught
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class ZeroShotDivergenceLoss(nn.Module):
    r"""How far predictions are from those of zero-shot CLIP.

    :math:`w T^2 \, \text{KL}(p^{frozen} \| p)` of similarity logits over
    :math:`T`, the mean over images. Alone it distils; with a ``ProGradHook``
    it is the guide of ProGrad (Zhu et al., ICCV 2023). Goes into ``losses``
    of a head; the backbone needs ``teacher=dict()``, and, where images are
    prompted or adapted, ``teacher=dict(image=True)``.

    Args:
        temperature (float): :math:`T`. Defaults to 1.0.
        loss_weight (float): :math:`w`. Defaults to 1.0.
    """

    def __init__(self, temperature: float = 1., loss_weight: float = 1.
                 ) -> None:
        super().__init__()
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, feats: CLIPFeatures, logits: Tensor) -> Tensor:
        """A scalar, from similarity ``logits (B, C)``."""
        teacher, image = taught(self, feats), feats.image
        if teacher.image is not None:
            image = teacher.image
        elif image.requires_grad:
            raise DeptError('ZeroShotDivergenceLoss needs the images as '
                            'zero-shot CLIP sees them, and these are learned '
                            'upon: give the backbone '
                            'teacher=dict(image=True).')
        frozen = similarity(image, teacher.text, feats.logit_scale)
        divergence = F.kl_div(
            (logits / self.temperature).log_softmax(1),
            (frozen / self.temperature).log_softmax(1),
            reduction='batchmean', log_target=True)
        return self.loss_weight * self.temperature ** 2 * divergence
