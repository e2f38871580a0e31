"""Mean average precision of base and of new classes."""
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample
from sklearn.metrics import average_precision_score

from dept_mm.errors import DeptError
from dept_mm.evaluation import BaseNewAveragePrecision

META = dict(classes=('ant', 'bee', 'cow', 'dog', 'emu'),
            base_classes=('ant', 'dog'))


def evaluate(logits, labels):
    evaluator = Evaluator(BaseNewAveragePrecision())
    evaluator.dataset_meta = META
    samples = [DataSample().set_gt_label(label)
               .set_pred_score(logit.sigmoid())
               for logit, label in zip(logits, labels, strict=True)]
    for sample, logit in zip(samples, logits, strict=True):
        sample.set_field(logit, 'pred_logit')
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))


def test_by_hand():
    """Ranks of the true images: ant 1 and 3 of 3, dog 2, bee 1."""
    logits = torch.tensor([[3., 9., 0., 1., 0.], [2., 1., 0., 3., 0.],
                           [1., 0., 0., 2., 0.]])
    found = evaluate(logits, [[0, 1], [], [0, 3]])
    ant, dog, bee = (1 + 2 / 3) / 2, 1 / 2, 1
    assert found == pytest.approx({
        'multi-label/mAP': 100 * (ant + dog + bee) / 3,
        'multi-label/base_mAP': 100 * (ant + dog) / 2,
        'multi-label/new_mAP': 100 * bee})


def test_equals_scikit_learn_where_probabilities_are_rounded():
    # Above 17, the sigmoid is 1 in fp32.
    logits = 25 + torch.randn(40, 5)
    target = torch.rand(40, 5) < .3
    assert (logits.sigmoid() == 1).all(dim=0).any()
    found = evaluate(logits, [row.nonzero()[:, 0].tolist() for row in target])
    for key, columns in (('mAP', [0, 1, 2, 3, 4]), ('base_mAP', [0, 3]),
                         ('new_mAP', [1, 2, 4])):
        expected = average_precision_score(
            target[:, columns], logits[:, columns], average='macro')
        assert found[f'multi-label/{key}'] == pytest.approx(100 * expected)


def test_a_half_without_images_is_left_out():
    found = evaluate(torch.randn(3, 5), [[0], [3], [0]])
    assert set(found) == {'multi-label/mAP', 'multi-label/base_mAP'}


def test_another_number_of_classes():
    with pytest.raises(DeptError, match='scores 4 classes, .* has 5'):
        evaluate(torch.randn(1, 4), [[0]])
