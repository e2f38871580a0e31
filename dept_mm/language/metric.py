"""Measures of GLUE and SuperGLUE."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from dept_mm.errors import DeptError
from dept_mm.registry import METRICS


def accuracy(truth: np.ndarray, guess: np.ndarray) -> float:
    """Share of right answers."""
    return float((truth == guess).mean())


def f1(truth: np.ndarray, guess: np.ndarray, positive: int = 1) -> float:
    """``2 tp / (2 tp + fp + fn)`` of one class; 0 where it never occurs."""
    both = (truth == positive).sum() + (guess == positive).sum()
    hit = ((truth == positive) & (guess == positive)).sum()
    return float(2 * hit / both) if both else 0.


def macro_f1(truth: np.ndarray, guess: np.ndarray) -> float:
    """Mean F1 of the classes that occur."""
    return float(np.mean([f1(truth, guess, c) for c in np.unique(truth)]))


def matthews(truth: np.ndarray, guess: np.ndarray) -> float:
    """Matthews correlation, of any number of classes (Gorodkin, 2004): the
    correlation of one-hot answers; 0 where one side is constant."""
    classes = np.union1d(truth, guess)
    x, y = (np.equal.outer(side, classes).astype(float)
            for side in (truth, guess))
    x, y = x - x.mean(0), y - y.mean(0)
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale else 0.


def pearson(truth: np.ndarray, guess: np.ndarray) -> float:
    """Pearson correlation; 0 where one side is constant."""
    x, y = truth - truth.mean(), guess - guess.mean()
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale else 0.


MEASURES = dict(accuracy=accuracy, f1=f1, macro_f1=macro_f1,
                matthews=matthews, pearson=pearson)


@METRICS.register_module()
class LanguageMetric(BaseMetric):
    """Measures of predicted classes or values, times 100.

    Args:
        measures (Sequence[str], optional): Of ``accuracy``, ``f1`` (of class
            1), ``macro_f1``, ``matthews``, ``pearson``. Defaults to the
            task's.
        collect_device (str): Where results of all ranks are gathered.
            Defaults to ``'cpu'``.
        prefix (str, optional): Defaults to ``'language'``.

    Attributes:
        counts (dict): Of the last evaluation, in the main process:
            ``correct`` and ``total``; empty for values.

    Raises:
        DeptError: If a measure is unknown.
    """
    default_prefix = 'language'

    def __init__(self, measures: Sequence[str] | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if unknown := set(measures or ()) - MEASURES.keys():
            raise DeptError(f'LanguageMetric: {sorted(unknown)} are unknown; '
                            f'there are {sorted(MEASURES)}.')
        self.measures = measures
        self.counts: dict[str, int] = {}

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Keep (truth, guess) of each sample."""
        for sample in data_samples:
            kind = 'label' if 'gt_label' in sample else 'value'
            self.results.append((float(sample[f'gt_{kind}']),
                                 float(sample[f'pred_{kind}']),
                                 kind == 'label'))

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        """Turn pairs into measures."""
        truth, guess, labels = np.array(results, dtype=float).T
        self.counts = dict(correct=int((truth == guess).sum()),
                           total=len(truth)) if labels.all() else {}
        return {name: 100 * MEASURES[name](truth, guess)
                for name in self.measures or self.dataset_meta['measures']}
