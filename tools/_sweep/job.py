"""One run of a sweep: what is known of it on disk, and the job that trains.

A job is sent to a Python of its own, perhaps on another machine, as code and
data: nothing here needs more than the standard library, so a job starts at
once and costs no memory beside the training.
"""
from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

JOURNAL = 'sweep.jsonl'
LOG = 'sweep.log'
# A run that one of these ended did nothing wrong; it goes on next time.
_INTERRUPTS = tuple(-s for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP,
                                 signal.SIGUSR2))


@dataclass(frozen=True)
class Run:
    """A point of the grid.

    Args:
        row (str): Row of the table; runs of one differ in their seed.
        seed (int): The seed.
        work_dir (Path): Absolute; ends with the start of the fingerprint.
        fingerprint (str): Of the resolved config.
        arguments (tuple[str]): Of ``tools/train.py``, config first.
        processes (int): How many train together. Defaults to 1.
    """
    row: str
    seed: int
    work_dir: Path
    fingerprint: str
    arguments: tuple[str, ...]
    processes: int = 1


@dataclass(frozen=True)
class Slot:
    """A part of this machine that at most one job at a time may use.

    Args:
        locks (tuple[Path]): Files to lock, one for each device.
        devices (str): ``CUDA_VISIBLE_DEVICES``; empty on the CPU.
    """
    locks: tuple[Path, ...]
    devices: str


def is_finished(run: Run) -> bool:
    """Whether the work dir holds a valid result of this very config."""
    path = run.work_dir / 'result.json'
    result = _parse(path.read_text()) if path.is_file() else None
    return (result is not None and bool(result['results'].get('tuned'))
            and result['fingerprint'] == run.fingerprint)


def state(run: Run) -> str:
    """``'finished'``, ``'running'``, ``'failed'`` or ``'open'``."""
    # The lock first: who holds it may finish between the two questions.
    running = False
    if (run.work_dir / JOURNAL).is_file():
        with lock(run.work_dir / JOURNAL) as file:
            running = file is None
    if is_finished(run):
        return 'finished'
    if running:
        return 'running'
    events = journal(run)
    return 'failed' if events and events[-1]['event'] == 'failed' else 'open'


def journal(run: Run) -> list[dict[str, Any]]:
    """What happened to a run, oldest first."""
    path = run.work_dir / JOURNAL
    lines = path.read_text().splitlines() if path.is_file() else []
    # A full disk may have cut a line.
    return [entry for entry in map(_parse, lines) if entry]


def failures(run: Run) -> int:
    """How often a run has failed."""
    return sum(entry['event'] == 'failed' for entry in journal(run))


@dataclass(frozen=True)
class Job:
    """Trains a run, unless that was done or is being done elsewhere.

    The claim of a run is a lock on its journal, that of a device a lock on a
    file in the machine's temporary folder. The training process inherits
    both. The kernel drops a lock when the last process that has it ends, so
    none is ever stale, and none is free while its owner still trains.

    Args:
        run (Run): The run.
        script (str): ``tools/train.py``.
        slots (Sequence[Slot]): Any one is used; none on Slurm, which gives
            the job its devices.
        threads (int, optional): ``OMP_NUM_THREADS``.
        failed (int): How often the run had failed when it was submitted; if
            it has since, another sweep has tried. Defaults to 0.
    """
    run: Run
    script: str
    slots: Sequence[Slot] = ()
    threads: int | None = None
    failed: int = 0

    def __call__(self) -> str:
        """Train.

        Returns:
            str: ``'taken'`` if another sweep trains this run, else
            ``'done'``; how it went is on disk.
        """
        self.run.work_dir.mkdir(parents=True, exist_ok=True)
        with any_of(self.slots) as (slot, locks), \
                lock(self.run.work_dir / JOURNAL) as file:
            if file is None:
                return 'taken'
            if not is_finished(self.run) and (
                    failures(self.run) == self.failed):
                self._attempt(file, slot, [*locks, file])
        return 'done'

    def checkpoint(self) -> Any:
        """What submitit queues again when Slurm needs the machine."""
        from submitit.helpers import DelayedSubmission
        return DelayedSubmission(self)

    def _attempt(self, file: IO, slot: Slot | None, locks: list[IO]) -> None:
        command, begin = self._command(), time.time()
        write(file, event='started', host=socket.gethostname(),
              pid=os.getpid(), fingerprint=self.run.fingerprint,
              devices=slot and slot.devices, command=command)
        code = self._train(command, slot, [lock.fileno() for lock in locks])
        took = round(time.time() - begin, 1)
        if code in _INTERRUPTS:
            write(file, event='interrupted', signal=-code, seconds=took)
        elif code == 0 and is_finished(self.run):
            write(file, event='finished', seconds=took)
        else:
            write(file, event='failed', exit_code=code, seconds=took)

    def arguments(self) -> list[str]:
        """Of ``tools/train.py``."""
        resume = ['--resume'] if self._has_checkpoint() else []
        return [*self.run.arguments, '--work-dir', str(self.run.work_dir),
                *resume]

    def _command(self) -> list[str]:
        start, end = [sys.executable], []
        if self.run.processes > 1:
            # --standalone: a free port for each, so runs do not meet.
            start += ['-m', 'torch.distributed.run', '--standalone',
                      f'--nproc-per-node={self.run.processes}']
            end += ['--launcher', 'pytorch']
        return [*start, self.script, *self.arguments(), *end]

    def _has_checkpoint(self) -> bool:
        """The file itself may be gone: MMEngine removes an old checkpoint
        before it writes the next, and may have been killed in between."""
        pointer = self.run.work_dir / 'last_checkpoint'
        return pointer.is_file() and Path(pointer.read_text()).is_file()

    def _train(self, command: list[str], slot: Slot | None,
               locks: list[int]) -> int:
        env = dict(os.environ)
        if self.threads is not None:
            env['OMP_NUM_THREADS'] = str(self.threads)
        if slot is not None:
            env['CUDA_VISIBLE_DEVICES'] = slot.devices
        with open(self.run.work_dir / LOG, 'a') as log:
            process = subprocess.Popen(
                command, env=env, stdout=log, stderr=subprocess.STDOUT,
                pass_fds=locks)
            try:
                return process.wait()
            except BaseException:  # Ctrl-C, or queued again by submitit
                process.terminate()
                process.wait()
                raise


@contextmanager
def lock(path: Path) -> Iterator[IO | None]:
    """Lock a file, made if it is absent; None if somebody else has."""
    with open(path, 'a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file


@contextmanager
def any_of(slots: Sequence[Slot]) -> Iterator[tuple[Slot | None, list[IO]]]:
    """Wait until one of the slots is free, and lock all of its devices."""
    while slots:
        for slot in slots:
            with ExitStack() as stack:
                files = [stack.enter_context(lock(p)) for p in slot.locks]
                if None not in files:
                    yield slot, files
                    return
        time.sleep(.5)
    yield None, []


def write(file: IO, **entry: Any) -> None:
    """Add a line to a journal."""
    entry = dict(time=time.strftime('%Y-%m-%d %H:%M:%S'), **entry)
    file.write(json.dumps(entry) + '\n')
    file.flush()


def _parse(text: str) -> dict | None:
    """None if it is only half written."""
    try:
        return json.loads(text)
    except ValueError:
        return None
