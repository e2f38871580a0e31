"""Several processes, over gloo, by the scripts that a user calls."""
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dept_mm.evaluation import read_result

ROOT = Path(__file__).parents[2]
# 16 images, 4 steps; 61 test images leave a ragged last batch.
OPTIONS = [
    'clip.pretrained=random', 'train_dataloader.num_workers=0',
    'val_dataloader.num_workers=0', 'val_dataloader.batch_size=8',
    'test_dataloader.num_workers=0', 'test_dataloader.batch_size=8',
    'train_dataloader.dataset.num_shots=1',
    'val_dataloader.dataset.indices=61', 'test_dataloader.dataset.indices=61',
    'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
    'default_hooks.logger.interval=1', 'param_scheduler=[]'
]
# Starts near zero-shot, so that loss and guide are soon at odds.
PROGRAD = f'''
_base_ = '{ROOT}/configs/coop/quickstart.py'
model = dict(
    backbone=dict(prompt=dict(words='a drawing'), teacher=dict()),
    head=dict(losses=[dict(type='ZeroShotDivergenceLoss')]))
optim_wrapper = dict(optimizer=dict(lr=.1))
default_hooks = dict(prograd=dict(type='ProGradHook'))
'''


def run(script, config, *args, processes, batch, clip, work_dir):
    """Run a tool; return what it printed."""
    options = [f'clip.name={clip["name"]}',
               f'train_dataloader.batch_size={batch}', *OPTIONS]
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    if processes == 1:
        command = [sys.executable, f'tools/{script}.py', config, *args]
    else:
        command = ['bash', f'tools/dist_{script}.sh', config, *args,
                   str(processes)]
    command += ['--work-dir', str(work_dir), '--cfg-options', *options]
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    done = subprocess.run(
        command, cwd=ROOT, text=True, capture_output=True, timeout=300,
        env=dict(os.environ, PORT=port, PATH=path, OMP_NUM_THREADS='1'))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def scalars(work_dir):
    """Losses of all steps, and metrics, of the one run in a work dir."""
    log, = work_dir.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    found = [{k: v for k, v in line.items() if 'base_new' in k}
             for line in lines]
    return losses, [line for line in found if line]


@pytest.mark.slow
@pytest.mark.parametrize('method', ['dept', 'prograd'])
def test_two_processes_are_one(clip, tmp_path, method):
    config = f'configs/{method}/quickstart.py'
    if method == 'prograd':
        config = str(tmp_path / 'prograd.py')
        Path(config).write_text(PROGRAD)
    states = []
    for processes, batch in ((1, 4), (2, 2)):
        work_dir = tmp_path / str(processes)
        run('train', config, processes=processes, batch=batch, clip=clip,
            work_dir=work_dir)
        states.append(torch.load(work_dir / 'epoch_1.pth',
                                 weights_only=True)['state_dict'])
    one, two = scalars(tmp_path / '1'), scalars(tmp_path / '2')
    assert len(one[0]) == 4
    assert two[0] == pytest.approx(one[0], rel=1e-4)
    assert two[1] == one[1]
    assert one[1][0]['base_new/base_total'] == 61
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-4,
                                   atol=1e-6)


@pytest.mark.slow
def test_two_processes_fill_one_cache(clip, tmp_path):
    """Without training, where DDP would refuse the model."""
    config = 'configs/tip_adapter/quickstart.py'
    states = []
    for processes in (1, 2):
        work_dir = tmp_path / str(processes)
        run('train', config, processes=processes, batch=4, clip=clip,
            work_dir=work_dir)
        states.append(torch.load(work_dir / 'epoch_1.pth',
                                 weights_only=True)['state_dict'])
    for key in ('neck.keys', 'neck.alpha', 'neck.beta', 'neck.count'):
        torch.testing.assert_close(states[0][key], states[1][key])
    assert states[0]['neck.count'].tolist() == [1] * 16
    found = [read_result(tmp_path / str(n)) for n in (1, 2)]
    assert found[0]['results'] == found[1]['results']
    assert [one['processes'] for one in found] == [1, 2]


@pytest.mark.slow
def test_several_data_sets_on_two_processes(clip, tmp_path):
    config = tmp_path / 'several.py'
    config.write_text(
        f"_base_ = ['{ROOT}/configs/dept/quickstart.py']\n"
        "val_cfg = dict(type='MultiDatasetValLoop', datasets=dict(\n"
        "    clean=dict(type='DrawnShapes', style='clean', indices=37)))\n")
    found = []
    for processes, batch in ((1, 4), (2, 2)):
        work_dir = tmp_path / str(processes)
        run('train', str(config), processes=processes, batch=batch,
            clip=clip, work_dir=work_dir)
        found.append(scalars(work_dir)[1])
    assert found[0] == found[1]
    assert found[1][0]['base_new/base_total'] == 61
    assert found[1][0]['clean/base_new/base_total'] == 37


@pytest.mark.slow
def test_two_processes_test_a_model_without_parameters(clip, tmp_path):
    """DDP would refuse it."""
    config = str(tmp_path / 'zero_shot.py')
    Path(config).write_text(f'''
_base_ = '{ROOT}/configs/dept/quickstart.py'
model = dict(backbone=dict(prompt=None),
             head=dict(_delete_=True, type='CLIPHead'))
''')
    found = []
    for processes in (1, 2):
        work_dir = tmp_path / str(processes)
        args = [] if processes == 1 else ['none']
        run('test', config, *args, processes=processes, batch=4, clip=clip,
            work_dir=work_dir)
        log, = work_dir.glob('*/2*.json')  # not result.json
        found.append({k: v for k, v in json.loads(log.read_text()).items()
                      if 'base_new' in k})
    assert found[0] == found[1]
    assert found[0]['base_new/base_total'] == 61


@pytest.mark.slow
def test_two_processes_share_a_feature_store(clip, tmp_path):
    """They make it together, and learn what one learns without it."""
    losses, states = [], []
    for processes, batch in ((1, 4), (2, 2)):
        config = tmp_path / f'{processes}.py'
        hook = (f"dict(type='FeatureStoreHook', root='{tmp_path}/features')"
                if processes == 2 else '')
        config.write_text(f'''
_base_ = '{ROOT}/configs/dept/quickstart.py'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip),
    dict(type='PackInputs')]))
custom_hooks = [{hook}]
''')
        work_dir = tmp_path / str(processes)
        run('train', str(config), processes=processes, batch=batch,
            clip=clip, work_dir=work_dir)
        losses.append(scalars(work_dir)[0])
        states.append(torch.load(work_dir / 'epoch_1.pth',
                                 weights_only=True)['state_dict'])
    assert len(list((tmp_path / 'features').iterdir())) == 2
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, rtol=1e-4,
                                   atol=1e-6)
