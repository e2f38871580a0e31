"""What is left of a run, and how long that takes."""
from types import SimpleNamespace

import pytest
from mmengine.runner import EpochBasedTrainLoop

from dept_mm.engine import pace as module
from dept_mm.engine.pace import Pace, count_validations


class Epochs(EpochBasedTrainLoop):
    """Numbers of a loop, without data."""

    def __init__(self, **numbers):
        self.val_begin = numbers['begin']
        self.val_interval = numbers['interval']
        self._epoch, self._max_epochs = numbers['done'], numbers['end']


def validations(begin, interval, done, end):
    """The epochs for which MMEngine's loop validates."""
    return [e for e in range(done + 1, end + 1)
            if e >= begin and (e % interval == 0 or e == end)]


@pytest.mark.parametrize('begin', [1, 4])
@pytest.mark.parametrize('interval', [1, 3, 10, 50])
@pytest.mark.parametrize('done', [0, 3, 9, 10])
def test_validations_left(begin, interval, done):
    numbers = dict(begin=begin, interval=interval, done=done, end=10)
    expected = len(validations(**numbers))
    assert count_validations(Epochs(**numbers)) == expected
    steps = SimpleNamespace(val_begin=begin, val_interval=interval, iter=done,
                            max_iters=10)
    assert count_validations(steps) == expected


def test_the_first_step_warms_up(monkeypatch):
    times = iter([0., 9., 10., 13., 20., 25.])
    monkeypatch.setattr(module, 'time', SimpleNamespace(
        perf_counter=lambda: next(times)))
    pace = Pace()
    pace.start()
    assert pace.estimate(3, 2) is None
    pace.note('step')
    assert pace.estimate(2, 0) == 18  # nothing better is known
    pace.note('step')
    pace.note('step')
    assert pace.step == 2  # of 1 and 3 seconds
    pace.start()
    pace.note('batch')
    assert pace.estimate(10, 4) == 10 * 2 + 4 * 5
