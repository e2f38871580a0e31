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
from safetensors.torch import save

ROOT = Path(__file__).parents[2]
KILLS = 5
CONFIG = f"""
_base_ = '{ROOT}/configs/dept/quickstart.py'
train_dataloader = dict(dataset=dict(num_shots=1, pipeline=[
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip),
    dict(type='PackInputs')]))
val_dataloader = dict(dataset=dict(indices=16))
train_cfg = dict(max_epochs=60, val_interval=20)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=60)]
custom_hooks = [dict(type='GaussianPromptAveragingHook', mean=30, std=10)]
"""


@pytest.fixture
def start(tmp_path, clip):
    """Starts the tool in a work dir."""
    config = tmp_path / 'config.py'
    config.write_text(CONFIG)

    def popen(work_dir, *args, processes=1):
        tool = [sys.executable]
        if processes > 1:
            tool += ['-m', 'torch.distributed.run', '--standalone',
                     f'--nproc_per_node={processes}']
            args = *args, '--launcher', 'pytorch'
        command = [
            *tool, 'tools/train.py', str(config), '--work-dir',
            str(work_dir), *args, '--cfg-options', f'clip.name={clip["name"]}',
            'clip.pretrained=random']
        with open(tmp_path / f'{work_dir.name}.log', 'a') as log:
            return subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log,
                start_new_session=True,
                env=dict(os.environ, PYTHONPATH=str(ROOT),
                         OMP_NUM_THREADS='1'))

    return popen


def saved(work_dir):
    return {path.name for path in work_dir.glob('epoch_*.pth')}


def result(work_dir):
    state = torch.load(work_dir / 'epoch_60.pth', weights_only=True)
    return save(state['state_dict']), repr(state['optimizer'])


@pytest.mark.soak
def test_killed_again_and_again(start, tmp_path):
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    assert start(whole).wait(timeout=600) == 0
    rng, kills = random.Random(0), 0
    while True:
        before = saved(parts)
        run = start(parts, '--resume')
        if kills == KILLS:
            assert run.wait(timeout=600) == 0
            break
        while saved(parts) == before and run.poll() is None:
            time.sleep(.01)
        time.sleep(rng.random())
        assert run.poll() is None, (tmp_path / 'parts.log').read_text()
        run.kill()
        run.wait()
        kills += 1
    log = (tmp_path / 'parts.log').read_text()
    assert log.count('resumed epoch') == KILLS
    assert result(parts) == result(whole)
    assert saved(parts) >= {'epoch_59.pth', 'epoch_60.pth'}
    assert not list(parts.glob('*.tmp'))


@pytest.mark.slow
def test_two_processes_stop_and_go_on(start, tmp_path):
    """All of them get the signal, some of them twice, by torchrun."""
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    assert start(whole, processes=2).wait(timeout=600) == 0
    run = start(parts, processes=2)
    while 'epoch_5.pth' not in saved(parts) and run.poll() is None:
        time.sleep(.01)
    os.killpg(run.pid, signal.SIGTERM)
    assert run.wait(timeout=60) != 0
    log = (tmp_path / 'parts.log').read_text()
    assert 'Go on with --resume' in log
    assert 'epoch_60.pth' not in saved(parts)
    assert start(parts, '--resume', processes=2).wait(timeout=600) == 0
    assert result(parts) == result(whole)
