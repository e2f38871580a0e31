"""kill -9 at random moments, and resuming, until the end."""
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from processes import call_two, free_port
from safetensors.torch import save

from dept_mm.engine.checkpoint_files import find_fault

ROOT = Path(__file__).parents[2]
EPOCHS_PER_KILL = 12
CONFIG = f"""
_base_ = '{ROOT}/configs/dept/quickstart.py'
train_dataloader = dict(num_workers=0, dataset=dict(num_shots=1, pipeline=[
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip),
    dict(type='PackInputs')]))
val_dataloader = dict(num_workers=0, dataset=dict(indices=16))
train_cfg = dict(max_epochs=%d, val_interval=20)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=60)]
custom_hooks = [dict(type='GaussianPromptAveragingHook', mean=8, std=4)]
"""


@pytest.fixture
def arguments(tmp_path, clip):
    """Makes the arguments of the tool for a run in a work dir."""
    def arguments(work_dir, *args, epochs, processes=()):
        config = tmp_path / 'config.py'
        config.write_text(CONFIG % epochs)
        return [str(config), *processes, '--work-dir', str(work_dir), *args,
                '--cfg-options', f'clip.name={clip["name"]}',
                'clip.pretrained=random']

    return arguments


@pytest.fixture
def start(tmp_path, arguments):
    """Starts the tool in a work dir."""
    def popen(work_dir, *args, processes=1, epochs=60):
        tool, count = [sys.executable, 'tools/train.py'], []
        if processes > 1:
            tool, count = ['bash', 'tools/dist_train.sh'], [str(processes)]
        command = [*tool, *arguments(work_dir, *args, epochs=epochs,
                                     processes=count)]
        with open(tmp_path / f'{work_dir.name}.log', 'a') as log:
            return subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log,
                start_new_session=True,
                env=dict(os.environ, PYTHONPATH=str(ROOT), PORT=free_port(),
                         PYTHON=sys.executable, OMP_NUM_THREADS='1'))

    return popen


def saved(work_dir):
    return {path.name for path in work_dir.glob('epoch_*.pth')}


def result(work_dir, epochs=60):
    state = torch.load(work_dir / f'epoch_{epochs}.pth', weights_only=True)
    return save(state['state_dict']), repr(state['optimizer'])


def wait_for(run, condition):
    while not condition() and run.poll() is None:
        time.sleep(.01)


@pytest.mark.soak
def test_killed_again_and_again(start, tmp_path, pytestconfig):
    total = pytestconfig.getoption('--kills')
    epochs = EPOCHS_PER_KILL * total
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    assert start(whole, epochs=epochs).wait(timeout=1200) == 0
    rng, kills = random.Random(0), 0
    while True:
        before = saved(parts)
        run = start(parts, '--resume', '--verbose', epochs=epochs)
        if kills == total:
            assert run.wait(timeout=1200) == 0
            break
        wait_for(run, lambda before=before: saved(parts) != before)
        time.sleep(rng.random())
        assert run.poll() is None, (tmp_path / 'parts.log').read_text()
        run.kill()
        run.wait()
        kills += 1
    log = (tmp_path / 'parts.log').read_text()
    assert log.count('resumed epoch') == total
    assert result(parts, epochs) == result(whole, epochs)
    assert saved(parts) >= {f'epoch_{epochs - 1}.pth', f'epoch_{epochs}.pth'}
    assert not list(parts.glob('*.tmp'))


def rank_of(pid):
    """The rank of a process that torchrun started."""
    variables = Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
    return next(int(v[5:]) for v in variables if v.startswith(b'RANK='))


def kill_one(run, rank, log):
    """Kill one of two processes; the other one ends and says why."""
    children = Path(f'/proc/{run.pid}/task/{run.pid}/children')
    pids = {rank_of(pid): int(pid) for pid in children.read_text().split()}
    os.kill(pids[rank], signal.SIGKILL)
    assert run.wait(timeout=60) != 0
    assert not Path(f'/proc/{pids[1 - rank]}').exists()
    said = log.read_text()
    assert 'error: another process of this run is gone' in said
    assert '--resume' in said


@pytest.mark.slow
@pytest.mark.parametrize('rank', [
    0, pytest.param(1, marks=pytest.mark.soak)])
def test_two_processes_stop_and_go_on(start, arguments, tmp_path, rank):
    """One process dies, then all of them get a signal, some of them twice,
    by torchrun; the end is that of a run without a stop."""
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    log, epochs = tmp_path / 'parts.log', 12
    run = start(parts, processes=2, epochs=epochs)
    wait_for(run, lambda: 'epoch_2.pth' in saved(parts))
    kill_one(run, rank, log)
    last = Path((parts / 'last_checkpoint').read_text())
    assert find_fault(last) is None
    before = saved(parts)
    run = start(parts, '--resume', processes=2, epochs=epochs)
    wait_for(run, lambda: saved(parts) != before)
    os.killpg(run.pid, signal.SIGTERM)
    assert run.wait(timeout=60) != 0
    assert 'Continue with --resume' in log.read_text()
    assert f'epoch_{epochs}.pth' not in saved(parts)
    # The end, and the run without a stop, in one start of two processes.
    call_two([['train.py', *arguments(parts, '--resume', epochs=epochs)],
              ['train.py', *arguments(whole, epochs=epochs)]])
    assert result(parts, epochs) == result(whole, epochs)
