"""Two processes do what one does; by the scripts that a user calls, too."""
import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from processes import call_two
from run_tool import run_tool
from torch.distributed.run import parse_args

from dept_mm.evaluation import read_result
from dept_mm.evaluation.predictions import read_predictions

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
PROGRAD = """
model = dict(
    backbone=dict(prompt=dict(words='a drawing'), teacher=dict()),
    head=dict(_delete_=True, type='CLIPHead',
              losses=[dict(type='ZeroShotDivergenceLoss')]))
optim_wrapper = dict(optimizer=dict(lr=.1))
default_hooks = dict(prograd=dict(type='ProGradHook'))
"""
SEVERAL = """
val_cfg = dict(type='MultiDatasetValLoop', datasets=dict(
    clean=dict(type='DrawnShapes', style='clean', indices=37)))
"""
STORE = """
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip),
    dict(type='PackInputs')]))
custom_hooks = [dict(type='BaseNewTableHook'), %s]
"""
PROBE = """
model = dict(neck=dict(num_shots=2))
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadRGBImage'),
    dict(type='CLIPRandomResizedCrop', clip=_base_.clip),
    dict(type='PackInputs')]))
custom_hooks = [
    dict(type='BaseNewTableHook'),
    dict(type='ProbeHook', pipeline=_base_.test_pipeline, views=2)]
"""
ZERO_SHOT = """
model = dict(backbone=dict(prompt=None),
             head=dict(_delete_=True, type='CLIPHead'))
"""


@pytest.fixture
def call(clip, tmp_path):
    """Arguments of a tool that runs a small config of a text."""
    def call(name, text, processes, base='dept'):
        work_dir = tmp_path / f'{name}{processes}'
        config = tmp_path / f'{name}{processes}.py'
        config.write_text(
            f"_base_ = '{ROOT}/configs/{base}/quickstart.py'\n{text}")
        return str(config), [
            '--work-dir', str(work_dir), '--cfg-options',
            f'clip.name={clip["name"]}',
            f'train_dataloader.batch_size={4 // processes}', *OPTIONS]

    return call


def run_alone(tool, config, args):
    done = run_tool(tool, config, *args)
    assert done.returncode == 0, done.stdout + done.stderr


def scalars(work_dir):
    """Losses of all steps, and metrics, of the one run in a work dir."""
    log, = work_dir.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [line['loss'] for line in lines if 'loss' in line]
    found = [{k: v for k, v in line.items() if 'base_new' in k}
             for line in lines]
    return losses, [line for line in found if line]


def weights(work_dir):
    return torch.load(work_dir / 'epoch_1.pth',
                      weights_only=True)['state_dict']


def assert_two_are_one(one, two, atol=1e-6):
    """Work dirs of one process and of two tell of the same training."""
    (losses, metrics), found = scalars(one), scalars(two)
    assert found[0] == pytest.approx(losses, rel=1e-4)
    assert found[1] == metrics
    assert metrics[0]['base_new/base_total'] == 61
    expected, learned = weights(one), weights(two)
    assert learned.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(learned[key], value, rtol=1e-4, atol=atol)
    results = [read_result(folder) for folder in (one, two)]
    assert results[0]['results'] == approx(results[1]['results'])
    assert [result['processes'] for result in results] == [1, 2]
    (rows, about), (other, about_other) = map(read_predictions, (one, two))
    assert about == about_other
    for row, data in [(r, d) for r in rows for d in rows[r]]:
        for key in ('index', 'label', 'top'):
            assert (rows[row][data][key] == other[row][data][key]).all()


def approx(node):
    """The measures of probabilities are floats; counts are not."""
    if not isinstance(node, dict):
        return pytest.approx(node, rel=1e-3) if isinstance(node, float) else (
            node)
    return {key: approx(value) for key, value in node.items()}


def test_the_script_that_tests(tmp_path):
    """It starts as many processes as it is told; faults/test_kill.py lets the
    script that trains, which shares the last step with it, really do so."""
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    told = subprocess.check_output(
        ['bash', 'tools/dist_test.sh', 'a.py', 'none', '4', '--seed', '2'],
        cwd=ROOT, text=True,
        env=dict(os.environ, PORT='29876', PYTHON=str(python)))
    assert told.splitlines()[:2] == ['-m', 'torch.distributed.run']
    args = parse_args(told.splitlines()[2:])
    assert args.nproc_per_node == '4' and args.master_port == 29876
    assert args.training_script == 'tools/test.py'
    assert args.training_script_args == [
        '--launcher', 'pytorch', 'a.py', 'none', '--seed', '2']


def read_test(work_dir):
    """Counts of the one test in a work dir, by data set and half."""
    file, = work_dir.glob('*/result.json')
    return read_result(file.parent)['results']['tested']


@pytest.mark.slow
def test_what_processes_do_together(call, tmp_path):
    """DePT, a guide for gradients, a cache of images, a probe on two views of
    each, several data sets, a feature store, a test: in one start of two
    processes, one after another.
    """
    hook = f"dict(type='FeatureStoreHook', root='{tmp_path}/features')"
    cases = dict(dept=('', '', 'dept'),
                 prograd=(PROGRAD, PROGRAD, 'coop'),
                 cache=('', '', 'tip_adapter'),
                 probe=(PROBE, PROBE, 'probes'),
                 several=(SEVERAL, SEVERAL, 'dept'),
                 store=(STORE % '', STORE % hook, 'dept'))
    calls = []
    for name, (one, two, base) in cases.items():
        run_alone('train.py', *call(name, one, 1, base))
        config, args = call(name, two, 2, base)
        calls.append(['train.py', config, *args])
    # A model without parameters, which DDP would refuse.
    run_alone('test.py', *call('zero', ZERO_SHOT, 1))
    config, args = call('zero', ZERO_SHOT, 2)
    calls.append(['test.py', config, *args])
    call_two(calls)
    for name in cases:
        # ProGrad's rate is high, and a projection divides by small norms.
        assert_two_are_one(tmp_path / f'{name}1', tmp_path / f'{name}2',
                           5e-6 if name == 'prograd' else 1e-6)
    assert read_test(tmp_path / 'zero1') == approx(
        read_test(tmp_path / 'zero2'))
    assert len(scalars(tmp_path / 'dept2')[0]) == 4
    metrics = scalars(tmp_path / 'several2')[1][0]
    assert metrics['clean/base_new/base_total'] == 37
    assert weights(tmp_path / 'cache2')['neck.count'].tolist() == [1] * 16
    assert weights(tmp_path / 'probe2')['neck.count'].tolist() == [2] * 16
    assert len(list((tmp_path / 'features').iterdir())) == 2
