"""Measures worked out by hand, and by the papers' public code."""
import json
from pathlib import Path

import numpy as np
import pytest

from dept_mm.errors import DeptError
from dept_mm.language import LanguageMetric
from dept_mm.language.answers import squad_em, squad_f1
from dept_mm.language.metric import (
    f1,
    macro_f1,
    matthews,
    pearson,
    spearman,
)

MEASURES = Path(__file__).parents[1] / 'data/reference/text_measures.json'


def test_measures_by_hand():
    """tp 3, fp 1, fn 2, tn 2: F1 6/9; Matthews 4 / sqrt(4 5 3 4)."""
    truth = np.array([1, 1, 1, 0, 1, 1, 0, 0])
    guess = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    assert f1(truth, guess) == pytest.approx(6 / 9)
    assert macro_f1(truth, guess) == pytest.approx((6 / 9 + 4 / 7) / 2)
    assert matthews(truth, guess) == pytest.approx(4 / 240**.5)
    assert matthews(truth, np.ones(8)) == 0
    x, y = np.array([1., 2., 3.]), np.array([2., 4., 5.])
    assert pearson(x, y) == pytest.approx(3 / (2 * 14 / 3)**.5)
    assert f1(np.zeros(3), np.zeros(3)) == 0
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4.
    assert spearman(np.array([0., 5., 5., 9.]), np.array([1., 3., 2., 8.])
                    ) == pytest.approx(4.5 / (4.5 * 5)**.5)


def test_metric_counts_what_is_no_class_as_wrong():
    metric = LanguageMetric(['accuracy', 'f1'])
    metric.process(None, [
        dict(gt_label=y, pred_label=p)
        for y, p in ((1, 1), (1, -1), (0, 0), (0, 1))])
    found = metric.evaluate(4)
    assert found == {'language/accuracy': 50., 'language/f1': 50.}
    assert metric.counts == dict(correct=2, total=4)
    with pytest.raises(DeptError, match='bleu'):
        LanguageMetric(['bleu'])


def test_exact_match_of_groups():
    """Two questions; the second has a wrong answer."""
    metric = LanguageMetric(['exact_match', 'accuracy'])
    metric.process(None, [
        dict(gt_label=1, pred_label=guess, group=group)
        for guess, group in ((1, 0), (0, 1), (1, 0), (1, 1))])
    assert metric.evaluate(4) == {'language/exact_match': 50,
                                  'language/accuracy': 75}


@pytest.mark.parametrize('measure, place', [(squad_em, 2), (squad_f1, 3)])
def test_squad_is_that_of_the_public_code(measure, place):
    """Random words with capitals, articles and punctuation, and none."""
    found = [(100 * measure(*one[:2]), one[place])
             for one in json.loads(MEASURES.read_text())]
    assert len(set(found)) > 1
    for ours, public in found:
        assert ours == pytest.approx(public)


def test_written_answers():
    """Half of the words, all of them, none."""
    metric = LanguageMetric(['squad_em', 'squad_f1'])
    metric.process(None, [
        dict(gt_texts=['the red fox', 'x'], pred_text=guess)
        for guess in ('Red dog', 'A red, fox!', '')])
    assert metric.evaluate(3) == {
        'language/squad_em': pytest.approx(100 / 3),
        'language/squad_f1': pytest.approx(50)}
    assert metric.counts == dict(correct=1, total=3)
    with pytest.raises(DeptError, match="'accuracy' does not fit"):
        metric = LanguageMetric(['accuracy'])
        metric.process(None, [dict(gt_texts=['x'], pred_text='x')])
        metric.evaluate(1)
