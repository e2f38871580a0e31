"""Training that has gone wrong ends with a word."""
import re
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from dept_mm.engine.checkpoint_files import find_fault
from dept_mm.errors import DeptError


class Sabotage(Hook):
    """Sets a value before (or after) one step, counted from 1."""
    priority = 'HIGHEST'

    def __init__(self, step, value, after=False):
        self.step, self.value, self.after = step, value, after

    def _act(self, runner, after):
        if runner.iter + 1 == self.step and self.after == after:
            with torch.no_grad():
                runner.model.linear.bias.fill_(self.value)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._act(runner, False)

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        self._act(runner, True)


@pytest.mark.parametrize('value, said', [(float('nan'), 'nan'),
                                         (float('inf'), 'inf')])
@pytest.mark.parametrize('interval', [1, 2, 50])
def test_step_is_named_and_nothing_broken_is_saved(toy, tmp_path, value, said,
                                                   interval):
    runner = toy(Sabotage(5, value), default_hooks=dict(
        divergence=dict(interval=interval)))
    with pytest.raises(DeptError) as error:
        runner.train()
    text = str(error.value)
    assert f'the loss is {said} at step 5 of 8 (epoch 3)' in text
    assert 'Learning rates: 0.005.' in text
    last = Path(re.search(r'last good checkpoint: (\S+)\. ', text)[1])
    assert last == tmp_path / 'run/epoch_2.pth'
    assert find_fault(last) is None
    assert not (tmp_path / 'run/epoch_3.pth').exists()


def test_broken_parameter_after_a_good_loss(toy, tmp_path):
    """The last step of an epoch: no loss tells."""
    with pytest.raises(DeptError, match='linear.bias is nan or infinite at '
                       'step 2 of 8.*none yet'):
        toy(Sabotage(2, float('nan'), after=True)).train()
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_loss_above_the_limit(toy):
    toy(Sabotage(3, 20.), epochs=2).train()  # any number will do
    with pytest.raises(DeptError, match='at step 3 of 4'):
        toy(Sabotage(3, 20.), epochs=2, default_hooks=dict(
            divergence=dict(max_loss=50.))).train()
    with pytest.raises(DeptError, match='interval=0'):
        toy(default_hooks=dict(divergence=dict(interval=0)))
