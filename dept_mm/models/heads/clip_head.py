"""The similarity head of CLIP."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.utils.similarity import similarity
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
        losses (Sequence[Mapping]): Terms that are added to the loss, each
            with its own weight, e.g. a host's consistency term.
            Defaults to none.
        **kwargs: ``loss``, ``topk`` and ``cal_acc`` of MMPretrain's
            ``ClsHead``.
    """

    def __init__(self, losses: Sequence[Mapping] = (), **kwargs) -> None:
        super().__init__(**kwargs)
        self.terms = nn.ModuleList(MODELS.build(dict(t)) for t in losses)

    def forward(self, feats: CLIPFeatures) -> Tensor:
        """Logits ``(B, C)``, one column per row of ``feats.text``; a cache
        of training images adds its bonus."""
        logits = similarity(feats.image, feats.text, feats.logit_scale,
                            feats.per_image)
        return logits if feats.bonus is None else logits + feats.bonus

    def loss(self, feats: CLIPFeatures, data_samples: list[DataSample],
             **kwargs) -> dict[str, Tensor]:
        """Cross-entropy of the similarities over the classes that were
        encoded, and the terms.

        Raises:
            DeptError: If a sample's class is not among them.
        """
        return self._loss(feats, targets(feats, data_samples), **kwargs)

    def _loss(self, feats: CLIPFeatures, target: Tensor, **kwargs
              ) -> dict[str, Tensor]:
        """The losses, given the row of ``feats.text`` of each sample."""
        logits = CLIPHead.forward(self, feats)
        rows = [DataSample().set_gt_label(row) for row in target]
        losses = self._get_loss(logits, rows, **kwargs)
        for i, term in enumerate(self.terms):
            losses[f'loss_term{i}'] = term(feats, logits)
        return losses

    def _get_predictions(self, cls_score: Tensor,
                         data_samples: list[DataSample] | None
                         ) -> list[DataSample]:
        """ClsHead's predictions, and the logits: a metric that restricts the
        classes afterwards cannot start from scores that underflowed."""
        samples = super()._get_predictions(cls_score, data_samples)
        for sample, logit in zip(samples, cls_score, strict=True):
            sample.set_field(logit, 'pred_logit')
        return samples


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
