"""Classify image features with a linear layer (a linear probe)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor

from dept_mm.models.clip import clip_spec
from dept_mm.models.heads.clip_head import find_target_columns
from dept_mm.models.utils.class_rows import ClassRowsMixin
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary


@MODELS.register_module()
class LinearProbeHead(ClassRowsMixin, LinearClsHead):
    """MMPretrain's ``LinearClsHead`` with one row per base class.

    The CLIP determines the input width, and the vocabulary the number of
    rows. As with ``CLIPHead``, the logits have a column for every class that
    is scored; a class without a row gets the logit -inf, because a linear
    probe cannot know it. Texts are not used, so the backbone needs no
    vocabulary.

    Args:
        clip (Mapping): Config of the CLIP, which determines the width of the
            features.
        vocabulary (Mapping | Sequence[str] | Vocabulary): Vocabulary whose
            base classes get a row each; see ``Vocabulary.resolve``. Labels
            refer to it unless the backbone has a vocabulary of its own.
        **kwargs: Arguments of ``LinearClsHead``.

    Raises:
        DeptError: If a checkpoint lacks rows of some classes, or the class
            of a training sample has no row.

    Examples:
        >>> head = dict(
        ...     type='LinearProbeHead', clip=_base_.clip,
        ...     vocabulary=_base_.dataset)
    """
    row_keys = ('fc.weight', 'fc.bias')

    def __init__(self, clip: Mapping,
                 vocabulary: Mapping | Sequence[str] | Vocabulary,
                 **kwargs) -> None:
        vocabulary = Vocabulary.resolve(vocabulary)
        super().__init__(num_classes=len(vocabulary.base),
                         in_channels=clip_spec(clip).embed_dim, **kwargs)
        self.vocabulary = vocabulary
        self.class_ids = vocabulary.base
        self.init_header()

    def pre_logits(self, feats: CLIPFeatures) -> Tensor:
        """Return the image features in the dtype of the weights."""
        return feats.image.to(self.fc.weight.dtype)

    def forward(self, feats: CLIPFeatures) -> Tensor:
        """Compute logits ``(B, C)``, one column per scored class."""
        feats = self._add_labels(feats)
        columns, rows = self.match(feats)
        scores = super().forward(feats)
        logits = scores.new_full((scores.shape[0], len(feats.labels)),
                                 -torch.inf)
        logits[:, columns] = scores[:, rows]
        return logits

    def loss(self, feats: CLIPFeatures, data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Compute the cross-entropy over the rows."""
        feats = self._add_labels(feats)
        target = self.rows_of(feats, find_target_columns(feats, data_samples))
        rows = [DataSample().set_gt_label(row) for row in target]
        return self._get_loss(super().forward(feats), rows, **kwargs)

    def _add_labels(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Add the labels of the scored classes, unless the backbone did."""
        if feats.labels is not None:
            return feats
        own = self.vocabulary
        labels = own.base_labels if self.training else range(len(own))
        return feats._replace(ids=own.ids, labels=torch.tensor(
            list(labels), device=feats.image.device))
