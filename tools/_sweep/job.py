"""One run of a sweep, and the job that trains it.

A job is sent as code and data to a Python process of its own, perhaps on
another machine. It needs the standard library only, so it starts at once and
costs no memory beside the training.
"""
from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

LOG = 'sweep.log'


@dataclass(frozen=True)
class Run:
    """A point of the grid.

    Args:
        row (str): Row of the table; the runs of one row differ in their seed.
        seed (int): The seed.
        work_dir (Path): Absolute; ends with the start of the fingerprint.
        fingerprint (str): Fingerprint of the resolved config.
        arguments (tuple[str]): Arguments of ``tools/train.py``, config first.
        processes (int): How many processes train together. Defaults to 1.
    """
    row: str
    seed: int
    work_dir: Path
    fingerprint: str
    arguments: tuple[str, ...]
    processes: int = 1


def is_finished(run: Run) -> bool:
    """Tell whether the work dir holds a valid result of this very config."""
    try:
        result = json.loads((run.work_dir / 'result.json').read_text())
    except (FileNotFoundError, ValueError):
        return False
    return (bool(result['results'].get('tuned'))
            and result['fingerprint'] == run.fingerprint)


def is_running(run: Run) -> bool:
    """Tell whether a process of any sweep trains the run now."""
    if not (run.work_dir / LOG).is_file():
        return False
    with claim(run) as log:
        return log is None


@contextmanager
def claim(run: Run) -> Iterator[IO | None]:
    """Lock the log of a run, or yield None if another process has it.

    A training inherits the lock with the log, which is its standard output.
    The kernel drops the lock when the last such process ends, in whatever
    way, so that no lock is ever left behind.
    """
    with open(run.work_dir / LOG, 'a') as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield log


@dataclass(frozen=True)
class Job:
    """Train a run, unless that is done or is being done elsewhere.

    Args:
        run (Run): The run.
        script (str): Path of ``tools/train.py``.
        devices (str, optional): ``CUDA_VISIBLE_DEVICES``; empty on the CPU.
            None keeps what Slurm has set.
        threads (int, optional): ``OMP_NUM_THREADS``.
    """
    run: Run
    script: str
    devices: str | None = None
    threads: int | None = None

    def __call__(self) -> int | None:
        """Train the run and return the exit code.

        Returns:
            int, optional: Exit code of the training; None if another process
            has the run.
        """
        self.run.work_dir.mkdir(parents=True, exist_ok=True)
        with claim(self.run) as log:
            if log is None:
                return None
            if is_finished(self.run):
                return 0
            process = subprocess.Popen(self.command(), env=self._environment(),
                                       stdout=log, stderr=subprocess.STDOUT)
            try:
                return process.wait()
            except BaseException:  # Ctrl-C, or queued again by submitit
                process.terminate()
                process.wait()
                raise

    def checkpoint(self) -> Any:
        """Make what submitit queues again when Slurm needs the machine."""
        from submitit.helpers import DelayedSubmission
        return DelayedSubmission(self)

    def command(self) -> list[str]:
        """Build the command line, which resumes where it can."""
        run, start, end = self.run, [sys.executable], []
        if run.processes > 1:
            # --standalone: a free port for each, so runs do not meet.
            start += ['-m', 'torch.distributed.run', '--standalone',
                      f'--nproc-per-node={run.processes}']
            end += ['--launcher', 'pytorch']
        pointer = run.work_dir / 'last_checkpoint'
        if pointer.is_file() and Path(pointer.read_text()).is_file():
            end += ['--resume']
        return [*start, self.script, *run.arguments, '--work-dir',
                str(run.work_dir), *end]

    def _environment(self) -> dict[str, str]:
        own = dict(CUDA_VISIBLE_DEVICES=self.devices,
                   OMP_NUM_THREADS=self.threads)
        return {**os.environ, **{key: str(value) for key, value in own.items()
                                 if value is not None}}
