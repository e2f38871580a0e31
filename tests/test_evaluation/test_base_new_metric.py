"""Base-to-new accuracy."""
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.evaluation import Accuracy, ConfusionMatrix
from mmpretrain.structures import DataSample

from dept_mm.errors import DeptError
from dept_mm.evaluation import BaseNewMetric, harmonic_mean

META = dict(classes=('ant', 'bee', 'cow', 'dog'), base_classes=('ant', 'bee'))
# label, logits: what is best within its half and among all is noted.
CASES = [
    (0, [3., 1., 9., 0.]),  # half: ant; all: cow
    (0, [1., 3., 0., 0.]),  # half: bee
    (1, [1., 3., 0., 0.]),  # half: bee
    (2, [9., 0., 2., 1.]),  # half: cow; all: ant
    (3, [0., 0., 2., 1.]),  # half: cow
]


def evaluate(metrics, cases=CASES, meta=META, logits=True, size=None):
    evaluator = Evaluator(metrics)
    evaluator.dataset_meta = meta
    samples = []
    for label, values in cases:
        values = torch.tensor(values)
        sample = DataSample().set_gt_label(label)
        sample.set_pred_score(values.softmax(0))
        sample.set_pred_label(values.argmax())
        if logits:
            sample.set_field(values, 'pred_logit')
        samples.append(sample)
    evaluator.process(data_samples=samples)
    return evaluator.evaluate(size or len(cases))


@pytest.mark.parametrize('logits', [True, False])
def test_each_half_among_its_own_classes(logits):
    found = evaluate(BaseNewMetric(), logits=logits)
    assert found['base_new/base'] == pytest.approx(100 * 2 / 3)
    assert found['base_new/new'] == pytest.approx(50)
    assert found['base_new/H'] == pytest.approx(2 * 50 * 200 / 3
                                                / (50 + 200 / 3))
    assert (found['base_new/base_correct'],
            found['base_new/base_total']) == (2, 3)
    assert (found['base_new/new_correct'],
            found['base_new/new_total']) == (1, 2)


def test_generalized_is_among_all_classes():
    found = evaluate(BaseNewMetric(generalized=True, per_class=True))
    assert found['base_new/base'] == pytest.approx(100 / 3)
    assert found['base_new/new'] == 0
    assert found['base_new/H'] == 0
    assert found['base_new/correct_per_class'] == [0, 1, 0, 0]
    assert found['base_new/total_per_class'] == [2, 1, 1, 1]


def test_macro_f1_over_the_classes_that_occur():
    # Base: ant 1 of 2 found, bee found but also taken for ant once.
    found = evaluate(BaseNewMetric())
    ant, bee = 2 * 1 / (2 + 1), 2 * 1 / (1 + 2)
    assert found['base_new/base_macro_f1'] == pytest.approx(50 * (ant + bee))
    # New: cow is right once and taken twice, dog never.
    assert found['base_new/new_macro_f1'] == pytest.approx(50 * (2 / 3 + 0))


def test_a_missing_half_is_left_out():
    found = evaluate(BaseNewMetric(), CASES[:3])
    assert 'base_new/base' in found
    assert not {'base_new/new', 'base_new/H'} & set(found)


def test_a_data_set_without_halves_is_all_base():
    found = evaluate(BaseNewMetric(), meta=dict(classes=META['classes']))
    assert found['base_new/base_total'] == 5
    assert found['base_new/base'] == pytest.approx(20)


def test_samples_that_fill_up_the_last_batch_do_not_count():
    found = evaluate(BaseNewMetric(), CASES + CASES[:1], size=5)
    assert found['base_new/base_total'] == 3


def test_scores_that_underflow_still_rank():
    """One half takes all the probability; logits keep the other's order."""
    cases = [(0, [1., 2., 400., 0.]), (1, [1., 2., 400., 0.])]
    found = evaluate(BaseNewMetric(), cases)
    assert found['base_new/base'] == pytest.approx(50)


def test_stock_metrics_stand_beside_ours():
    found = evaluate([BaseNewMetric(), Accuracy(topk=1), ConfusionMatrix()])
    assert found['accuracy/top1'] == pytest.approx(20)
    assert found['confusion_matrix/result'].sum() == 5
    assert found['base_new/new'] == pytest.approx(50)


@pytest.mark.parametrize('case, culprit', [
    ((4, [0.] * 4), 'Label 4 is out of range'),
    ((0, [0.] * 3), 'scores 3 classes, but the data set has 4'),
])
def test_bad_samples_are_named(case, culprit):
    with pytest.raises(DeptError, match=culprit):
        evaluate(BaseNewMetric(), [case])


def test_harmonic_mean_of_published_averages():
    # CLIP's row of the 11-data-set table: 69.34 / 74.22 / 71.70.
    assert harmonic_mean(69.34, 74.22) == pytest.approx(71.70, abs=.005)
    assert harmonic_mean(0., 0.) == 0
