"""Scores of known classes, and how well they separate."""
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve
from torchmetrics.functional.classification import binary_auroc

from dept_mm.evaluation.none_of_these import KNOWN_SCORES, measure_detection


def test_two_images_by_hand():
    logits = torch.tensor([[2., 0., 0.], [1., 1., 1.]])
    e = np.exp(1)
    for kind, expected in (
            ('mcm', [e / (e + 2), 1 / 3]), ('max_logit', [2, 1]),
            ('energy', [np.log(e ** 2 + 2), 1 + np.log(3)])):
        assert KNOWN_SCORES[kind](logits, 2.).numpy() == pytest.approx(
            np.array(expected), rel=1e-5)


@pytest.mark.parametrize('digits', [9, 1])
def test_against_other_libraries(digits):
    """With ties and without."""
    draw = np.random.default_rng(1)
    known = (draw.random(301) ** .5).round(digits)
    unknown = draw.random(200).round(digits)
    score = np.concatenate([known, unknown])
    label = np.arange(501) < 301
    found = measure_detection(known, unknown)
    assert found['auroc'] == pytest.approx(roc_auc_score(label, score))
    assert found['auroc'] == pytest.approx(float(binary_auroc(
        torch.tensor(score), torch.tensor(label).int())), rel=1e-5)
    false, true, _ = roc_curve(label, score, drop_intermediate=False)
    assert found['fpr95'] == pytest.approx(false[true >= .95].min())
