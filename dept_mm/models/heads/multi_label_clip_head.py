"""Give images several labels each by their similarity to class texts."""
from __future__ import annotations

import torch
from mmpretrain.models.heads import MultiLabelClsHead
from mmpretrain.structures import DataSample, label_to_onehot
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.heads.clip_head import keep_logits
from dept_mm.models.utils.similarity import score_classes
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class MultiLabelCLIPHead(MultiLabelClsHead):
    r"""Say of each class by itself whether it is in the image.

    The probability of class :math:`c` is :math:`\sigma(s_{ic} + b)` with the
    similarities :math:`s_{ic}` of ``CLIPHead``. The number :math:`b` is
    learned, as in "Sigmoid Loss for Language Image Pre-Training" (Zhai et
    al., ICCV 2023): CLIP was trained to compare classes, so its similarities
    have no natural zero. It changes no order, and so no average precision.

    Args:
        bias (float): Where :math:`b` starts. A CLIP whose similarities are
            positive for all classes needs a negative start, about minus the
            mean logit. Defaults to 0.
        **kwargs: ``loss`` (by default cross-entropy with sigmoid; also
            ``AsymmetricLoss``), ``thr`` and ``topk`` of MMPretrain's
            ``MultiLabelClsHead``.

    Examples:
        >>> head = dict(type='MultiLabelCLIPHead', topk=3)
        >>> head = dict(type='MultiLabelCLIPHead', bias=-20.,
        ...             loss=dict(type='AsymmetricLoss'))
    """

    def __init__(self, bias: float = 0., **kwargs) -> None:
        super().__init__(**kwargs)
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, feats: CLIPFeatures) -> Tensor:
        """Compute logits ``(B, C)``, one column per row of ``feats.text``."""
        return score_classes(feats) + self.bias

    def loss(self, feats: CLIPFeatures, data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Compute the loss over the encoded classes.

        Raises:
            DeptError: If a class of a sample was not encoded.
        """
        target = find_targets(feats, data_samples)
        return self._get_loss(self(feats), [
            DataSample().set_gt_score(row) for row in target], **kwargs)

    def _get_predictions(self, cls_score: Tensor,
                         data_samples: list[DataSample] | None
                         ) -> list[DataSample]:
        """Add the logits to the predictions of ``MultiLabelClsHead``."""
        return keep_logits(
            super()._get_predictions(cls_score, data_samples), cls_score)


def find_targets(feats: CLIPFeatures, data_samples: list[DataSample]
                 ) -> Tensor:
    """Find which columns of the logits are classes of each sample.

    Returns:
        Tensor: ``(B, C)``, 1 for the sample's classes and 0 for others, or
        the ``gt_score`` of samples that have one (mixed images).

    Raises:
        DeptError: If a label is out of range, or its class was not encoded.
    """
    size = len(feats.ids)
    for sample in data_samples:
        if 'gt_score' not in sample and not bool(
                ((sample.gt_label >= 0) & (sample.gt_label < size)).all()):
            raise DeptError(f'Labels {sample.gt_label.tolist()} are out of '
                            f'range: the vocabulary has {size} classes.')
    score = torch.stack([
        s.gt_score if 'gt_score' in s else label_to_onehot(s.gt_label, size)
        for s in data_samples]).float().to(feats.labels.device)
    found = score[:, feats.labels]
    if float(found.sum()) < float(score.sum()):
        left = score.sum(0)
        left[feats.labels] = 0
        raise DeptError(
            f'A training sample has class {feats.ids[int(left.argmax())]!r}, '
            'which is not a base class of the vocabulary. Train on '
            "task='base', or make it a base class.")
    return found
