"""Processes without a GPU: the launchers, wrappers and thread counts."""
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from dept_mm.cli import launch
from dept_mm.cli.launch import init_launcher

WORKER = Path(__file__).with_name('launch_worker.py')


def free_port() -> str:
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return str(sock.getsockname()[1])


def run_two(launcher: str, names: tuple, tmp_path: Path, **extra) -> list:
    """Run two workers with the rank variables of a launcher."""
    env = {k: v for k, v in os.environ.items() if k not in names}
    # Without a GPU also on a machine that has one.
    env.update(extra, MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port(),
               CUDA_VISIBLE_DEVICES='-1', OMP_NUM_THREADS='1')
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), launcher, str(tmp_path)],
            env=env | dict(zip(names, (str(rank), '2', str(rank)),
                               strict=True)),
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        for rank in range(2)
    ]
    results = []
    for worker in workers:
        output = worker.communicate(timeout=120)[0]
        assert worker.returncode == 0, output
        line = next(text for text in output.splitlines()
                    if text.startswith('RESULT '))
        results.append(json.loads(line.removeprefix('RESULT ')))
    return results


@pytest.mark.parametrize('launcher, names, extra', [
    ('pytorch', ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
     dict(LOCAL_WORLD_SIZE='2')),
    ('slurm', ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
     dict(SLURM_CPUS_PER_TASK='1', SLURM_NODELIST='localhost')),
])
def test_two_processes(launcher, names, extra, tmp_path):
    results = run_two(launcher, names, tmp_path, **extra)
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
