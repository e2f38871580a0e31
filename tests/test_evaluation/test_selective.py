"""Errors that are left when only confident predictions are used."""
import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from dept_mm.evaluation.selective import area_under_risk, risk_at_coverage


def test_four_images_by_hand():
    """In the order of confidence: right, wrong, right, wrong."""
    coverage, risk = risk_at_coverage([.3, .9, .8, .5], [0, 1, 0, 1])
    assert coverage.tolist() == [.25, .5, .75, 1]
    assert risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert area_under_risk([.3, .9, .8, .5], [0, 1, 0, 1]) == pytest.approx(
        (1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_against_the_accuracy_of_each_selection():
    draw = np.random.default_rng(1)
    confidence = draw.random(50)
    correct = draw.random(50) < confidence
    order = np.argsort(-confidence)
    expected = [1 - accuracy_score(correct[order[:k]], np.ones(k, bool))
                for k in range(1, 51)]
    assert risk_at_coverage(confidence, correct)[1] == pytest.approx(expected)


@pytest.mark.parametrize('correct', [[1, 0, 1, 0], [0, 1, 0, 1]])
def test_ties_have_no_order(correct):
    _, risk = risk_at_coverage([.5] * 4, correct)
    assert risk.tolist() == [.5] * 4
