"""Measure the mean average precision of base and of new classes."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpretrain.evaluation import AveragePrecision
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.registry import METRICS
from dept_mm.structures import Vocabulary


@METRICS.register_module()
class BaseNewAveragePrecision(AveragePrecision):
    """Mean average precision of all, of base and of new classes, in %.

    MMPretrain's ``AveragePrecision`` ranks all images by their logits of a
    class, which need no threshold; see there for the formula. A mean is over
    the classes that some image has, since precision is not defined for
    others; a half without such classes is left out.

    Results (prefix ``multi-label``): ``mAP``, ``base_mAP``, ``new_mAP``.

    Args:
        **kwargs: ``collect_device`` and ``prefix``.

    Raises:
        DeptError: If the number of classes scored by the model differs from
            that of the data set.

    Examples:
        >>> val_evaluator = dict(type='BaseNewAveragePrecision')
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(average=None, **kwargs)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Store the logits and the labels of each sample, ``(C, )``."""
        size = len(self.dataset_meta['classes'])
        for sample in data_samples:
            score = sample.get('pred_logit', sample['pred_score'])
            if len(score) != size:
                raise DeptError(
                    f'The model scores {len(score)} classes, but the data set '
                    f'has {size}. Is VocabularyHook among the hooks?')
            super().process(data_batch, [dict(sample, pred_score=score)])

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the three means from the results of all samples."""
        logits = torch.stack([r['pred_score'] for r in results]).float()
        target = torch.stack([r['gt_score'] for r in results])
        precision = self.calculate(logits, target, average=None)
        vocabulary = Vocabulary.from_metainfo(self.dataset_meta)
        shown = (target == 1).any(dim=0)
        return {key: value for key, labels in (
            ('mAP', range(len(vocabulary))),
            ('base_mAP', vocabulary.base_labels),
            ('new_mAP', vocabulary.new_labels))
            if (value := _mean(precision, shown, list(labels))) is not None}


def _mean(precision: Tensor, shown: Tensor, labels: list[int]
          ) -> float | None:
    """Return the mean of the classes that are shown, None without any."""
    found = precision[labels][shown[labels]]
    return float(found.mean()) if len(found) else None
