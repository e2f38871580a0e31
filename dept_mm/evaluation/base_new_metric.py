"""Measure the accuracy on base and on new classes."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from dept_mm.errors import DeptError
from dept_mm.evaluation.calibration import measure_calibration
from dept_mm.evaluation.predictions import RECORD, record_predictions
from dept_mm.registry import METRICS
from dept_mm.structures import Vocabulary


@METRICS.register_module()
class BaseNewMetric(BaseMetric):
    """Accuracy on base classes, on new classes, and their harmonic mean.

    The classes of a data set form two *halves*: the base classes, which a
    model was tuned on, and the new classes. In the base-to-new protocol of
    the field (CoCoOp, Zhou et al., CVPR 2022), a sample is scored only among
    the classes of its own half. This metric evaluates both halves in one
    pass.

    Averaging: ``base`` and ``new`` are micro averages, 100 * correct / total
    over the images of a half. ``H`` is 2 base new / (base + new) of this one
    run. Published tables average base and new over seeds, and then over data
    sets, and print H *of those means*, which is up to 0.6 higher than the
    mean of the runs' H; the raw counts are reported so that either can be
    computed. ``macro_f1`` is the unweighted mean of the F1 scores of the
    classes that occur among the labels.

    Results (prefix ``base_new``): ``base``, ``new``, ``H`` in %; for each
    half ``{half}_macro_f1`` in %, ``{half}_correct``, ``{half}_total``; with
    ``per_class``, the lists ``correct_per_class`` and ``total_per_class`` in
    label order. A half without images is left out, and H with it. All values
    are floats because mmengine does not log integers.

    Args:
        generalized (bool): Whether to score each sample among all classes
            instead (generalized base-to-new). Defaults to False.
        per_class (bool): Whether to report counts per class.
            Defaults to False.
        collect_device (str): Device on which the results of all ranks are
            gathered. Defaults to ``'cpu'``.
        prefix (str, optional): Prefix of the names of the results.
            Defaults to ``'base_new'``.

    Attributes:
        halves (dict): Result of the last evaluation, in the main process
            only. It maps each half to dict(correct, total, macro_f1, nll,
            brier, ece, adaptive_ece, aurc, classes), where ``classes`` maps
            the identity of each class with images to [correct, total], and
            the five before it are those of ``measure_calibration``.
        predictions (np.ndarray): Records of all images of the last
            evaluation, in the main process only; see ``predictions.RECORD``.

    Raises:
        DeptError: If a label is out of range, or the number of classes
            scored by the model differs from that of the data set.

    Examples:
        >>> val_evaluator = dict(type='BaseNewMetric')
    """
    default_prefix = 'base_new'

    def __init__(self, generalized: bool = False, per_class: bool = False,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.generalized = generalized
        self.per_class = per_class
        self.halves: dict[str, dict] = {}
        self.predictions = np.zeros(0, RECORD)

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Store a record of each sample.

        MMEngine removes the duplicates that fill up the last batch when
        several processes evaluate.
        """
        vocabulary = Vocabulary.from_metainfo(self.dataset_meta)
        label = np.array([int(s['gt_label']) for s in data_samples])
        index = np.array([s.get('sample_idx', -1) for s in data_samples])
        logits = [_read_logits(sample) for sample in data_samples]
        for pair in zip(label, logits, strict=True):
            self._check_sample(*pair, vocabulary)
        logits = torch.stack(logits)
        base, new = vocabulary.base_labels, vocabulary.new_labels
        in_base = np.isin(label, base)
        records = np.zeros(len(label), RECORD)
        for mine, among in ((in_base, base), (~in_base, new)):
            if self.generalized:
                among = range(len(vocabulary))
            if mine.any():
                records[mine] = record_predictions(
                    index[mine], label[mine],
                    logits[torch.from_numpy(mine)][:, list(among)], among)
        self.results.extend(records)

    def compute_metrics(self, results: list[np.void]) -> dict:
        """Compute the metrics from the records of all samples."""
        vocabulary = Vocabulary.from_metainfo(self.dataset_meta)
        self.predictions = records = _in_order(np.array(results, RECORD))
        label, best = records['label'], records['top'][:, 0]
        found: dict = {}
        self.halves = {}
        for half, among in (('base', vocabulary.base_labels),
                            ('new', vocabulary.new_labels)):
            mine = np.isin(label, among)
            if mine.any():
                self.halves[half] = one = dict(
                    _count_half(label[mine], best[mine], vocabulary.ids),
                    **measure_calibration(records[mine]))
                one['classes'] = one.pop('classes')  # the longest comes last
                found[half] = 100 * one['correct'] / one['total']
                for key in ('macro_f1', 'correct', 'total'):
                    found[f'{half}_{key}'] = float(one[key])
        if 'base' in found and 'new' in found:
            found['H'] = harmonic_mean(found['base'], found['new'])
        if self.per_class:
            size = len(vocabulary)
            for name, which in (('correct', label[label == best]),
                                ('total', label)):
                count = np.bincount(which, minlength=size).astype(float)
                found[f'{name}_per_class'] = count.tolist()
        return found

    @staticmethod
    def _check_sample(label: int, score: torch.Tensor,
                      vocabulary: Vocabulary) -> None:
        if not 0 <= label < len(vocabulary):
            raise DeptError(f'Label {label} is out of range: the data set '
                            f'has {len(vocabulary)} classes.')
        if len(score) != len(vocabulary):
            raise DeptError(
                f'The model scores {len(score)} classes, but the data set '
                f'has {len(vocabulary)}. Is VocabularyHook among the hooks?')


def _read_logits(sample: dict) -> torch.Tensor:
    """Return the logits ``(C, )`` of a sample, or log-probabilities.

    Our heads give logits, because scores may have underflowed.
    """
    if 'pred_logit' in sample:
        return sample['pred_logit']
    score = sample['pred_score']
    return score.clamp_min(torch.finfo(score.dtype).tiny).log()


def _in_order(records: np.ndarray) -> np.ndarray:
    """Sort records by the index of their images.

    A data set that does not number its images, or not all of them
    differently, has been read in order.
    """
    order = np.argsort(records['index'], kind='stable')
    numbers = np.arange(len(records), dtype=np.int32)
    if (records['index'][order] == numbers).all():
        return records[order]
    records['index'] = numbers
    return records


def harmonic_mean(base: float, new: float) -> float:
    """Return the harmonic mean of two accuracies; 0 if both are 0."""
    return 2 * base * new / (base + new) if base + new else 0.


def _count_half(label: np.ndarray, best: np.ndarray,
                ids: Sequence[str]) -> dict:
    """Count the hits of one half.

    Args:
        label (np.ndarray): True labels ``(N, )``.
        best (np.ndarray): Predicted labels ``(N, )``.
        ids (Sequence[str]): Identities of all classes, in label order.
    """
    f1, classes = [], {}
    for c in np.unique(label):
        hit = int(((label == c) & (best == c)).sum())
        total = int((label == c).sum())
        f1.append(2 * hit / (total + (best == c).sum()))
        classes[ids[c]] = [hit, total]
    return dict(correct=int((label == best).sum()), total=len(label),
                macro_f1=100 * float(np.mean(f1)), classes=classes)
