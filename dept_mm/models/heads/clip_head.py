"""The similarity head of CLIP."""
from __future__ import annotations

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class CLIPHead(ClsHead):
    r"""Scaled cosine similarity of image and class texts.

    .. math::
        s_{ic} = \exp(\tau) \cdot \langle f_i / \|f_i\|,
                 t_c / \|t_c\| \rangle

    with CLIP's frozen scale :math:`\tau` ("Learning Transferable Visual
    Models From Natural Language Supervision", Radford et al., 2021). It has
    no parameters.

    Args:
        **kwargs: ``loss``, ``topk`` and ``cal_acc`` of MMPretrain's
            ``ClsHead``.
    """

    def forward(self, feats: CLIPFeatures) -> Tensor:
        """Logits ``(B, C)``, one column per row of ``feats.text``."""
        return similarity(feats.image, feats.text, feats.logit_scale)

    def loss(self, feats: CLIPFeatures, data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Cross-entropy over the classes that were encoded.

        Raises:
            DeptError: If a sample's class is not among them.
        """
        target = targets(feats, data_samples)
        return self._losses(self(feats), target, **kwargs)

    def _losses(self, logits: Tensor, target: Tensor, **kwargs) -> dict:
        """ClsHead's loss and accuracy on targets that are rows of text."""
        return self._get_loss(logits, [
            DataSample().set_gt_label(row) for row in target], **kwargs)

    def _get_predictions(self, cls_score: Tensor,
                         data_samples: list[DataSample] | None
                         ) -> list[DataSample]:
        """ClsHead's predictions, and the logits: a metric that restricts the
        classes afterwards cannot start from scores that underflowed."""
        samples = super()._get_predictions(cls_score, data_samples)
        for sample, logit in zip(samples, cls_score, strict=True):
            sample.set_field(logit, 'pred_logit')
        return samples


def similarity(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Scaled cosine similarity, in fp32: cosines differ in the third digit,
    which half precision does not carry.

    Args:
        image (Tensor): ``(B, D)``.
        text (Tensor): ``(C, D)`` or ``(B, C, D)``.
        scale (Tensor): Scalar.

    Returns:
        Tensor: ``(B, C)``.
    """
    with torch.autocast(image.device.type, enabled=False):
        image = F.normalize(image.float(), dim=-1)
        text = F.normalize(text.float(), dim=-1)
        if text.ndim == 2:
            return scale * image @ text.T
        return scale * torch.einsum('bd,bcd->bc', image, text)


def targets(feats: CLIPFeatures, data_samples: list[DataSample]) -> Tensor:
    """Row of ``feats.text`` for each sample's label, ``(B, )``.

    Raises:
        DeptError: If a label is out of range, or its class was not encoded.
    """
    label = torch.cat([s.gt_label for s in data_samples])
    label = label.to(feats.labels.device)
    match = label[:, None] == feats.labels[None]
    if not bool(match.any(dim=1).all()):
        wrong = int(label[~match.any(dim=1)][0])
        if not 0 <= wrong < len(feats.ids):
            raise DeptError(f'Label {wrong} is out of range: the vocabulary '
                            f'has {len(feats.ids)} classes.')
        raise DeptError(f'A training sample is of class {feats.ids[wrong]!r}, '
                        'which is not a base class of the vocabulary. Train '
                        "on task='base', or make it a base class.")
    return match.int().argmax(dim=1)
