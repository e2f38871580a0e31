"""A run that is asked to stop does so in order."""
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from processes import run_script, start

from dept_mm.engine.checkpoint_files import find_fault
from dept_mm.engine.hooks.stop_signal_hook import EXIT_CODE

ROOT = Path(__file__).parents[2]


class Signal(Hook):
    """Sends this process a signal in a step, counted from 1."""

    def __init__(self, step, number=signal.SIGTERM):
        self.step, self.number = step, number

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.step:
            os.kill(os.getpid(), self.number)


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('step, last', [(1, None), (3, 1), (4, 2), (8, 4)])
def test_stops_and_goes_on(toy, tmp_path, number, step, last):
    """Steps of an unfinished epoch are taken again: two steps an epoch."""
    before = signal.getsignal(number)
    runner = toy(Signal(step, number))
    with pytest.raises(SystemExit) as stopped:
        runner.train()
    assert stopped.value.code == EXIT_CODE == 75
    assert signal.getsignal(number) is before
    pointer = tmp_path / 'run/last_checkpoint'
    assert pointer.exists() == (last is not None)
    if last:
        assert pointer.read_text().endswith(f'epoch_{last}.pth')
    toy(resume=True).train()
    toy(work_dir='whole').train()
    whole, parts = (weights(tmp_path / name / 'epoch_4.pth')
                    for name in ('whole', 'run'))
    assert all(torch.equal(v, parts[k]) for k, v in whole.items())
    assert signal.getsignal(number) is before


def test_end_of_an_epoch_is_saved_whatever_the_interval(toy, tmp_path):
    runner = toy(Signal(4), default_hooks=dict(checkpoint=dict(interval=3)))
    with pytest.raises(SystemExit):
        runner.train()
    assert find_fault(tmp_path / 'run/epoch_2.pth') is None


def test_iterations_are_saved_at_once(toy, tmp_path):
    runner = toy(
        Signal(3), train_cfg=dict(by_epoch=False, max_iters=8),
        default_hooks=dict(checkpoint=dict(by_epoch=False, interval=5),
                           logger=dict(log_metric_by_epoch=False)))
    with pytest.raises(SystemExit):
        runner.train()
    found = torch.load(tmp_path / 'run/iter_3.pth', weights_only=True)
    assert found['meta']['iter'] == 3


def test_message_says_how_to_go_on(toy, monkeypatch):
    runner, said = toy(Signal(3)), []
    monkeypatch.setattr(runner.logger, 'warning',
                        lambda text, *args: said.append(text))
    with pytest.raises(SystemExit):
        runner.train()
    assert 'Stopped by SIGTERM after step 3' in said[-1]
    assert 'Continue with --resume' in said[-1]
    assert 'epoch_1.pth' in said[-1]


@pytest.mark.slow
def test_of_the_tool(clip, tmp_path):
    """With workers, which get the signal too where a job or a terminal sends
    it to the whole group; the tests above send it to one process."""
    options = [f'clip.name={clip["name"]}', 'clip.pretrained=random',
               'train_cfg.max_epochs=3000', 'train_cfg.val_interval=3000',
               'train_dataloader.dataset.num_shots=1', 'custom_hooks=[]']
    run = start(run_script, ROOT / 'tools/train.py', [
        ROOT / 'configs/dept/quickstart.py', '--work-dir', tmp_path,
        '--cfg-options', *options], tmp_path / 'log')
    for _ in range(600):
        if (tmp_path / 'epoch_2.pth').exists():
            break
        time.sleep(.2)
    os.killpg(run.pid, signal.SIGTERM)
    run.join(60)
    run.kill()  # one that did not stop
    text = (tmp_path / 'log').read_text()
    assert run.exitcode == EXIT_CODE, text
    assert 'Continue with --resume' in text
    assert 'Traceback' not in text
    assert find_fault(Path((tmp_path / 'last_checkpoint').read_text())) is None
