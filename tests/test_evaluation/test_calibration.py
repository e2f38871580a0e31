"""Calibration of probabilities, and the file of predictions."""
import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_calibration_error

from dept_mm.errors import DeptError
from dept_mm.evaluation.calibration import (
    adaptive_calibration_error,
    expected_calibration_error,
    measure_calibration,
    reliability_bins,
)
from dept_mm.evaluation.predictions import (
    FILE,
    pack_predictions,
    read_predictions,
    record_predictions,
)

LABEL = torch.tensor([0, 2, 6, 4, 2, 0, 4, 6] * 20)
AMONG = [6, 0, 4, 2, 1, 3, 5]
LOGITS = torch.randn(160, 7, generator=torch.Generator().manual_seed(1)) * 3


@pytest.fixture
def records():
    return record_predictions(range(160), LABEL.numpy(), LOGITS, AMONG)


def test_against_other_libraries(records):
    target = torch.tensor([AMONG.index(y) for y in LABEL])
    prob = LOGITS.softmax(1)
    one_hot = F.one_hot(target, 7)
    found = measure_calibration(records)
    assert found['nll'] == pytest.approx(
        float(F.cross_entropy(LOGITS, target)), rel=1e-5)
    assert found['brier'] == pytest.approx(
        float((prob - one_hot).square().sum(1).mean()), rel=1e-5)
    assert found['ece'] == pytest.approx(float(multiclass_calibration_error(
        prob, target, 7, n_bins=15)), rel=1e-5)


def test_adaptive_bins_hold_equally_many():
    confidence = np.array([.9, .5, .8, .6, .95, .7])
    correct = np.array([1, 1, 0, 0, 1, 1])
    # Two bins, .5 .6 .7 and .8 .9 .95: |1.8 - 2| and |2.65 - 2|, of six.
    assert adaptive_calibration_error(confidence, correct, 2) == (
        pytest.approx((.2 + .65) / 6))
    # Bins of equal width hold one and five, .5 and the others.
    assert expected_calibration_error(confidence, correct, 2) == (
        pytest.approx((.5 + abs(3.95 - 3)) / 6))


def test_bins_contain_their_upper_edge():
    mean, accuracy, count = reliability_bins([.5, .6, .6, 1.], [1, 0, 1, 1], 2)
    assert mean.tolist() == pytest.approx([.5, 2.2 / 3])
    assert accuracy.tolist() == pytest.approx([1, 2 / 3])
    assert count.tolist() == [1, 3]


def test_records_are_of_the_classes_that_were_scored(records):
    best = np.array(AMONG)[LOGITS.argsort(1, descending=True)[:, :5]]
    assert (records['top'] == best).all()
    assert records['log_true'] == pytest.approx(
        [float(row[AMONG.index(y)]) for row, y in zip(
            LOGITS.log_softmax(1), LABEL, strict=True)], rel=1e-5)


def test_the_first_of_equal_logits_is_predicted():
    """With fewer classes than are kept, and with more."""
    two = record_predictions([0], [3], torch.tensor([[1., 1.]]), [3, 1])
    assert two['top'].tolist() == [[3, 1, -1, -1, -1]]
    assert two['probability'].tolist() == [[.5, .5, 0, 0, 0]]
    nine = record_predictions([0], [8], torch.zeros(1, 9), range(9))
    assert nine['top'][0, 0] == 0 and len(set(nine['top'][0])) == 5


def test_file(records, tmp_path):
    about = dict(a=dict(classes=['x'], images=['ä.png']))
    assert read_predictions(tmp_path) == ({}, {})
    data = pack_predictions({'zero-shot': {'../a': records}}, about)
    (tmp_path / FILE).write_bytes(data)
    rows, found = read_predictions(tmp_path)
    assert found == about
    assert (rows['zero-shot']['../a'] == records).all()
    for end in (100, len(data) // 2):
        (tmp_path / FILE).write_bytes(data[:end])
        with pytest.raises(DeptError, match='damaged'):
            read_predictions(tmp_path)
