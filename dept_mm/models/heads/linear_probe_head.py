"""A linear probe of the image features."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmpretrain.models.heads import LinearClsHead
from mmpretrain.structures import DataSample
from torch import Tensor

from dept_mm.models.clip import clip_spec
from dept_mm.models.heads.clip_head import targets
from dept_mm.models.utils.class_rows import ClassRowsMixin
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary


@MODELS.register_module()
class LinearProbeHead(ClassRowsMixin, LinearClsHead):
    """MMPretrain's linear head with one row per base class.

    Width and number of rows come from CLIP and vocabulary. Logits have a
    column for every class that is scored, as those of ``CLIPHead``; a class
    without a row has the logit -inf, since a linear probe cannot know it.
    Texts are not used, so the backbone needs no vocabulary.

    Args:
        clip (Mapping): Config of the CLIP, for the width of its features.
        vocabulary (Mapping | Sequence[str] | Vocabulary): Its base classes
            get the rows; see ``Vocabulary.resolve``. It also says what labels
            mean, unless the backbone has a vocabulary.
        **kwargs: Of ``LinearClsHead``.

    Raises:
        DeptError: If a checkpoint has rows for other classes, or a training
            sample is of a class without a row.
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
        """The image features, in the dtype of the weights."""
        return feats.image.to(self.fc.weight.dtype)

    def forward(self, feats: CLIPFeatures) -> Tensor:
        """Logits ``(B, C)``, one column per scored class."""
        feats = self._with_labels(feats)
        columns, rows = self.match(feats)
        scores = super().forward(feats)
        logits = scores.new_full((len(scores), len(feats.labels)),
                                 -torch.inf)
        logits[:, columns] = scores[:, rows]
        return logits

    def loss(self, feats: CLIPFeatures, data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Cross-entropy over the rows."""
        feats = self._with_labels(feats)
        target = self.rows_of(feats, targets(feats, data_samples))
        rows = [DataSample().set_gt_label(row) for row in target]
        return self._get_loss(super().forward(feats), rows, **kwargs)

    def _with_labels(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Features that say which classes are scored, as with texts."""
        if feats.labels is not None:
            return feats
        own = self.vocabulary
        labels = own.base_labels if self.training else range(len(own))
        return feats._replace(ids=own.ids, labels=torch.tensor(
            list(labels), device=feats.image.device))
