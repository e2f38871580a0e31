"""A sweep over fake runs, in a process of its own for test_sweep.py.

    python sweep_worker.py ROOT RUNS DEVICES
"""
import signal
import sys
import time
from pathlib import Path

import cloudpickle
import submitit

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS.parents[1] / 'tools'))
from _sweep import job  # noqa: E402
from _sweep.job import Job, Run  # noqa: E402
from _sweep.schedule import Schedule  # noqa: E402

FAKE = str(TESTS / 'fake_train.py')


def make_runs(root: Path, count: int, *options: str) -> list[Run]:
    """Runs whose result is ten times their seed."""
    return [Run('fake', seed, root / f'fake-{seed}', f'{seed}' * 64,
                ('--seed', f'{seed}', *options))
            for seed in range(1, count + 1)]


def schedule(runs: list[Run], devices: int) -> Schedule:
    """With fake GPUs."""
    cloudpickle.register_pickle_by_value(job)
    executor = submitit.AutoExecutor(
        runs[0].work_dir.parent / f'.submitit/{time.time_ns()}', 'local')
    return Schedule(
        runs, lambda run, gpu: executor.submit(Job(run, FAKE, gpu, 1)),
        [f'{i}' for i in range(devices)], poll=.02)


if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    schedule(make_runs(Path(sys.argv[1]), int(sys.argv[2])),
             int(sys.argv[3])).run()
