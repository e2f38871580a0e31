"""Train by loss terms alone, on images without labels."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmpretrain.structures import DataSample
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.heads.clip_head import CLIPHead
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class UnlabelledHead(CLIPHead):
    """Classify as ``CLIPHead`` does, and train without labels.

    There is no cross-entropy; the terms, which get no targets, are the loss.
    It reads no labels even where samples have some. DePT has no such variant:
    its second head classifies by labels, and would learn nothing without
    them.

    Args:
        losses (Sequence[Mapping]): Configs of the terms, such as
            ``TeacherDivergenceLoss``; see ``CLIPHead``.
        **kwargs: Arguments of ``CLIPHead``.

    Raises:
        DeptError: If there are no terms.

    Examples:
        >>> head = dict(type='UnlabelledHead', losses=[
        ...     dict(type='TeacherDivergenceLoss', loss_weight=1000.)])
    """

    def __init__(self, losses: Sequence[Mapping] = (), **kwargs) -> None:
        super().__init__(losses=losses, **kwargs)
        if not self.terms:
            raise DeptError('UnlabelledHead learns from its terms alone, and '
                            'there are none: give losses=[...].')

    def loss(self, feats: CLIPFeatures, data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Compute the terms ``loss_term0``, ``loss_term1``, ..."""
        logits = self(feats)
        return {f'loss_term{i}': term(feats, logits, None)
                for i, term in enumerate(self.terms)}
