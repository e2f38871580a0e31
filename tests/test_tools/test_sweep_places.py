"""Where the jobs of a sweep run: cores, GPUs, Slurm."""
import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import cloudpickle
import pytest
from _sweep import executors, job
from sweep_worker import FAKE, make_runs

from dept_mm.errors import DeptError

ROOT = Path(__file__).parents[2]


def devices(monkeypatch, **given):
    monkeypatch.setattr(executors.os, 'sched_getaffinity',
                        lambda _: set(range(8)))
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    return executors.choose_devices(Namespace(**{
        **dict(threads=None, gpus=None, processes=1, jobs=None), **given}))


@pytest.mark.parametrize(('given', 'wanted'), [
    (dict(gpus=[]), ([''] * 8, 1)),
    (dict(gpus=[], threads=2, processes=2), ([''] * 2, 2)),
    (dict(gpus=['0', '3']), (['0', '3'], 4)),
    (dict(gpus=list('01234'), processes=2), (['0,1', '2,3'], 2)),
    (dict(gpus=list('01234'), jobs=1), (['0'], 8)),
])
def test_parts_of_eight_cores(monkeypatch, given, wanted):
    assert devices(monkeypatch, **given) == wanted


def test_too_few_gpus(monkeypatch):
    with pytest.raises(DeptError, match='--processes 3'):
        devices(monkeypatch, gpus=['0', '1'], processes=3)


def test_gpus_that_are_visible(monkeypatch):
    monkeypatch.setattr(executors.torch.cuda, 'device_count', lambda: 2)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,GPU-ab')
    assert executors.list_gpus() == ['3', 'GPU-ab']
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    assert executors.list_gpus() == ['0', '1']


def test_several_processes_get_a_launcher(tmp_path):
    run = job.Run('row', 1, tmp_path, '0' * 64, ('cfg.py', '--seed', '1'), 2)
    command = job.Job(run, 'train.py').command()
    assert command[1:5] == ['-m', 'torch.distributed.run', '--standalone',
                            '--nproc-per-node=2']
    assert command[5:] == ['train.py', 'cfg.py', '--seed', '1', '--work-dir',
                           str(tmp_path), '--launcher', 'pytorch']


def test_a_job_needs_none_of_our_modules(tmp_path):
    """Neither to start nor to be queued again, as on preemption."""
    run, = make_runs(tmp_path, 1)
    cloudpickle.register_pickle_by_value(job)
    (tmp_path / 'job.pkl').write_bytes(cloudpickle.dumps(
        job.Job(run, FAKE, devices='0', threads=1)))
    subprocess.run(
        [sys.executable, '-c', """if True:
            import cloudpickle, pathlib, pickle, sys
            path = pathlib.Path('job.pkl')
            again = pickle.loads(path.read_bytes()).checkpoint()
            again.dump(path)
            print(pickle.loads(path.read_bytes()).result())
            assert not {'dept_mm', 'torch'} & set(sys.modules)"""],
        cwd=tmp_path, check=True)
    assert job.is_finished(run)


SLURM = {
    'sbatch': """echo "Submitted batch job $$"
        (SLURM_JOB_ID=$$ SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 \\
         SLURM_PROCID=0 SLURM_LOCALID=0 bash "${@: -1}"
         touch "$0.$$") >/dev/null 2>&1 &""",
    'srun': 'while [[ $1 != */python* ]]; do shift; done; exec "$@"',
    'sacct': """echo 'JobID|State|NodeList'
        for id in "$@"; do
            [ -e "${0%sacct}sbatch.$id" ] && echo "$id|COMPLETED|here"
        done""",
}


def test_slurm(monkeypatch, tmp_path):
    """With commands that start a job at once."""
    for name, text in SLURM.items():
        (tmp_path / name).write_text(f'#!/bin/bash\n{text}\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', 'given by Slurm')
    run, = make_runs(tmp_path, 1)
    executor = executors.make_executor(Namespace(
        root=tmp_path, executor='slurm', processes=2,
        slurm=dict(timeout_min=600, slurm_partition='big')))
    sent = executor.submit(job.Job(
        run, FAKE, threads=3))
    assert sent.result() == 0 and job.is_finished(run)
    start = next(entry for entry in map(json.loads, (
        tmp_path / 'trace.jsonl').read_text().splitlines())
        if entry['event'] == 'start')
    assert (start['device'], start['threads']) == ('given by Slurm', '3')
    script = next(tmp_path.glob('.submitit/*/*.sh')).read_text()
    for line in ('gpus-per-node=2', 'time=600', 'partition=big'):
        assert f'#SBATCH --{line}\n' in script


def test_without_submitit_or_slurm(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    args = Namespace(root=tmp_path, executor='slurm', slurm={}, processes=1)
    with pytest.raises(DeptError, match='--executor slurm: .*srun'):
        executors.make_executor(args)
    monkeypatch.setitem(sys.modules, 'submitit', None)
    with pytest.raises(DeptError, match=r'pip install "dept-mm\[sweep\]"'):
        executors.make_executor(args)
