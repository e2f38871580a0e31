"""Classify images by their similarity to class texts, as CLIP does."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.utils.similarity import score_classes
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class CLIPHead(ClsHead):
    r"""Classify by the scaled cosine similarity of images and class texts.

    The logit of image feature :math:`f_i` and class text :math:`t_c` is

    .. math::
        s_{ic} = \exp(\tau) \cdot \langle f_i / \|f_i\|,
                 t_c / \|t_c\| \rangle

    with CLIP's frozen scale :math:`\tau` ("Learning Transferable Visual
    Models From Natural Language Supervision", Radford et al., 2021). The head
    has no parameters.

    Args:
        losses (Sequence[Mapping]): Configs of further loss terms, each with
            its own weight, such as ``TextConsistencyLoss``. A term is called
            with features, similarity logits ``(B, C)`` and targets ``(B, )``,
            which are rows of ``feats.text``. Defaults to none.
        **kwargs: ``loss``, ``topk`` and ``cal_acc`` of MMPretrain's
            ``ClsHead``.

    Examples:
        >>> head = dict(type='CLIPHead')
        >>> head = dict(  # KgCoOp
        ...     type='CLIPHead', losses=[dict(type='TextConsistencyLoss')])
    """

    def __init__(self, losses: Sequence[Mapping] = (), **kwargs) -> None:
        super().__init__(**kwargs)
        self.terms = nn.ModuleList(MODELS.build(dict(t)) for t in losses)

    def forward(self, feats: CLIPFeatures) -> Tensor:
        """Compute logits ``(B, C)``, one column per row of ``feats.text``.

        The bonus of a neck or learner, if there is one, is added to them.
        """
        return score_classes(feats)

    def loss(self, feats: CLIPFeatures, data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Compute the cross-entropy over the encoded classes, and the terms.

        Returns:
            dict[str, Tensor]: ``loss``, and ``loss_term0``, ``loss_term1``,
            ... for the terms.

        Raises:
            DeptError: If the class of a sample was not encoded.
        """
        target = find_target_columns(feats, data_samples)
        return self._compute_losses(feats, target, **kwargs)

    def _compute_losses(self, feats: CLIPFeatures, target: Tensor, **kwargs
                        ) -> dict[str, Tensor]:
        """Compute the losses; ``target (B, )`` are rows of ``feats.text``."""
        logits = CLIPHead.forward(self, feats)
        rows = [DataSample().set_gt_label(row) for row in target]
        losses = self._get_loss(logits, rows, **kwargs)
        for i, term in enumerate(self.terms):
            losses[f'loss_term{i}'] = term(feats, logits, target)
        return losses

    def _get_predictions(self, cls_score: Tensor,
                         data_samples: list[DataSample] | None
                         ) -> list[DataSample]:
        """Add the logits to the predictions of ``ClsHead``."""
        return keep_logits(
            super()._get_predictions(cls_score, data_samples), cls_score)


def keep_logits(samples: list[DataSample], logits: Tensor
                ) -> list[DataSample]:
    """Add logits ``(B, C)`` to predictions, as ``pred_logit``.

    A metric that restricts or orders the classes afterwards needs them,
    because probabilities may have underflowed, or be 1 in fp32.
    """
    for sample, logit in zip(samples, logits, strict=True):
        sample.set_field(logit, 'pred_logit')
    return samples


def find_target_columns(feats: CLIPFeatures, data_samples: list[DataSample]
                        ) -> Tensor:
    """Find the column of the logits that belongs to each sample's label.

    A column of the logits is a row of ``feats.text``.

    Returns:
        Tensor: Columns ``(B, )``.

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
        raise DeptError(f'A training sample has class {feats.ids[wrong]!r}, '
                        'which is not a base class of the vocabulary. Train '
                        "on task='base', or make it a base class.")
    return match.int().argmax(dim=1)
