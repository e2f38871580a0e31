"""Processes without a GPU: the launchers, wrappers and thread counts."""
import json
import os
from pathlib import Path

import pytest
from mmengine.config import Config
from processes import run_two

from dept_mm.cli import launch
from dept_mm.cli.launch import init_launcher

WORKER = Path(__file__).with_name('launch_worker.py')


def test_two_processes(tmp_path):
    """By Slurm's variables; tests of the tools have those of torchrun."""
    names = 'SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'
    lines = [line for output in run_two(
        WORKER, 'slurm', tmp_path, names=names, SLURM_CPUS_PER_TASK='1',
        SLURM_NODELIST='localhost')
             for line in output.splitlines() if line.startswith('RESULT ')]
    results = [json.loads(line.removeprefix('RESULT ')) for line in lines]
    assert [result['rank'] for result in results] == [0, 1]
    for result in results:
        assert result['group'] == ['gloo', 2]
        assert result['wrapper'] == 'MMDistributedDataParallel'
        # One step on the mean of 1..6, as one process with all six takes.
        assert result['weight'] == pytest.approx(1 - 0.1 * 3.5)
        assert result['test_wrapper'] == 'EvalModelWrapper'
        # 5 samples on 2 processes: the padded sixth counts once.
        assert result['metrics'] == dict(sum=15.)


def test_no_launcher_changes_nothing_else():
    cfg = Config(dict(model=dict()))
    init_launcher(cfg, 'none', training=False)
    assert cfg.to_dict() == dict(model=dict(), launcher='none')


@pytest.fixture
def cores(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: set(range(8)),
                        raising=False)


@pytest.mark.parametrize('launcher, env, expected', [
    ('pytorch', dict(LOCAL_WORLD_SIZE='2', OMP_NUM_THREADS='1'), 4),
    ('pytorch', dict(LOCAL_WORLD_SIZE='20'), 1),
    ('pytorch', dict(LOCAL_WORLD_SIZE='2', OMP_NUM_THREADS='3'), 3),
    ('mpi', dict(OMPI_COMM_WORLD_LOCAL_SIZE='4'), 2),
    ('slurm', dict(SLURM_CPUS_PER_TASK='6'), 6),
    ('slurm', {}, 1),
])
def test_threads_per_process(cores, launcher, env, expected):
    assert launch._threads_per_process(launcher, env) == expected


def test_slurm_address_comes_from_the_node_list(monkeypatch):
    monkeypatch.setattr(launch, '_first_slurm_host',
                        {'node[3-5]': 'node3'}.__getitem__)
    env = dict(SLURM_PROCID='3', SLURM_NTASKS='4', SLURM_LOCALID='1',
               SLURM_NODELIST='node[3-5]')
    assert launch._rank_variables('slurm', env) == dict(
        RANK='3', WORLD_SIZE='4', LOCAL_RANK='1', MASTER_ADDR='node3',
        MASTER_PORT='29500')


def test_missing_rank_is_named():
    with pytest.raises(KeyError, match='WORLD_SIZE'):
        launch._rank_variables('pytorch', dict(RANK='0', LOCAL_RANK='0'))
