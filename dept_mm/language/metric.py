"""Measure predictions on text tasks as GLUE and SuperGLUE do."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric

from dept_mm.errors import DeptError
from dept_mm.language.answers import squad_em, squad_f1
from dept_mm.registry import METRICS


def accuracy(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the fraction of correct answers."""
    return float((truth == guess).mean())


def f1(truth: np.ndarray, guess: np.ndarray, positive: int = 1) -> float:
    """Return the F1 score of one class, ``2 tp / (2 tp + fp + fn)``.

    It is 0 if the class never occurs.
    """
    both = (truth == positive).sum() + (guess == positive).sum()
    hit = ((truth == positive) & (guess == positive)).sum()
    return float(2 * hit / both) if both else 0.


def macro_f1(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the mean F1 score of the classes that occur in ``truth``."""
    return float(np.mean([f1(truth, guess, c) for c in np.unique(truth)]))


def matthews(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the Matthews correlation for any number of classes.

    It is the correlation of one-hot answers (Gorodkin, 2004), and 0 if one
    side is constant.
    """
    classes = np.union1d(truth, guess)
    x, y = (np.equal.outer(side, classes).astype(float)
            for side in (truth, guess))
    x, y = x - x.mean(0), y - y.mean(0)
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale else 0.


def pearson(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the Pearson correlation; 0 if one side is constant."""
    x, y = truth - truth.mean(), guess - guess.mean()
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale else 0.


def spearman(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the Pearson correlation of ranks; ties share their mean rank."""
    return pearson(_rank(truth), _rank(guess))


def _rank(values: np.ndarray) -> np.ndarray:
    _, which, counts = np.unique(values, return_inverse=True,
                                 return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[which]


def exact_match(truth: np.ndarray, guess: np.ndarray, group: np.ndarray
                ) -> float:
    """Return the fraction of groups, e.g. of the answers to one question,
    that are correct as a whole."""
    wrong = np.unique(group[truth != guess])
    return 1 - len(wrong) / len(np.unique(group))


MEASURES = dict(accuracy=accuracy, f1=f1, macro_f1=macro_f1,
                matthews=matthews, pearson=pearson, spearman=spearman)
GROUPED = dict(exact_match=exact_match)
# Compare the accepted answers with the one written; averaged over samples.
WRITTEN = dict(squad_em=squad_em, squad_f1=squad_f1)


@METRICS.register_module()
class LanguageMetric(BaseMetric):
    """Measure predicted classes, values or texts; results are multiplied by
    100.

    Args:
        measures (Sequence[str], optional): Names out of ``accuracy``, ``f1``
            (that of class 1), ``macro_f1``, ``matthews``, ``pearson``,
            ``spearman``, ``exact_match`` (of the task's groups), and of text
            answers ``squad_em`` and ``squad_f1``. Defaults to the measures of
            the task.
        collect_device (str): Device on which the results of all ranks are
            gathered. Defaults to ``'cpu'``.
        prefix (str, optional): Prefix of the names of the results.
            Defaults to ``'language'``.

    Attributes:
        values (dict): Measures of the last evaluation, in the main process
            only.
        counts (dict): Its ``correct`` and ``total``; empty in regression. A
            text is correct if its ``squad_em`` is 1.

    Raises:
        DeptError: If a measure is unknown, or does not fit to the task.

    Examples:
        >>> val_evaluator = dict(type='LanguageMetric')
    """
    default_prefix = 'language'

    def __init__(self, measures: Sequence[str] | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        known = {**MEASURES, **GROUPED, **WRITTEN}
        if unknown := set(measures or ()) - known.keys():
            raise DeptError(f'LanguageMetric: {sorted(unknown)} are unknown; '
                            f'choose from {sorted(known)}.')
        self.measures = measures
        self.values: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Store (truth, guess, whether they are labels, group) of each
        sample, and of a text answer its measures by name."""
        for sample in data_samples:
            if 'gt_texts' in sample:
                self.results.append({
                    name: measure(sample['gt_texts'], sample['pred_text'])
                    for name, measure in WRITTEN.items()})
                continue
            kind = 'label' if 'gt_label' in sample else 'value'
            self.results.append((
                float(sample[f'gt_{kind}']), float(sample[f'pred_{kind}']),
                kind == 'label', sample.get('group', 0)))

    def compute_metrics(self, results: list[tuple] | list[dict]
                        ) -> dict[str, float]:
        """Compute the measures from the stored predictions."""
        names = self.measures or self.dataset_meta['measures']
        compute = (self._average if isinstance(results[0], dict) else
                   self._compare)
        try:
            self.values = compute(results, names)
        except KeyError as error:
            raise DeptError(f'LanguageMetric: {error} does not fit to the '
                            'answers of this task.') from None
        return dict(self.values)

    def _average(self, results: list[dict], names: Sequence[str]
                 ) -> dict[str, float]:
        """Average the measures of text answers."""
        self.counts = dict(correct=int(sum(r['squad_em'] for r in results)),
                           total=len(results))
        return {name: 100 * float(np.mean([r[name] for r in results]))
                for name in names}

    def _compare(self, results: list[tuple], names: Sequence[str]
                 ) -> dict[str, float]:
        """Measure labels or values."""
        truth, guess, labels, group = np.array(results, dtype=float).T
        self.counts = dict(correct=int((truth == guess).sum()),
                           total=len(truth)) if labels.all() else {}
        return {name: 100 * (GROUPED[name](truth, guess, group)
                             if name in GROUPED else
                             MEASURES[name](truth, guess)) for name in names}
