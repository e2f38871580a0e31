"""Decide which job is sent when."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

from _sweep.job import Run, is_finished, is_running

Devices = str | None
PATIENCE = 10.  # seconds for cancelled trainings to end


class Schedule:
    """Send a job for each run that is not finished, and wait for its end.

    Args:
        runs (Sequence[Run]): No two of one work dir.
        submit (Callable): Maps a run and its devices to a job of submitit.
        devices (Sequence): ``CUDA_VISIBLE_DEVICES`` of each job that may run
            at the same time; see ``Job``.
        poll (float): Seconds between two looks. Defaults to 1.0.

    Attributes:
        ends (dict): Run -> ``'finished'``, ``'interrupted'`` or what failed.
    """

    def __init__(self, runs: Sequence[Run],
                 submit: Callable[[Run, Devices], Any],
                 devices: Sequence[Devices], poll: float = 1.) -> None:
        self.submit, self.poll = submit, poll
        self.ends = {run: 'finished' for run in runs if is_finished(run)}
        self._todo = [run for run in runs if run not in self.ends]
        self._free = list(devices)
        self._jobs: dict[Run, tuple[Any, Devices]] = {}

    def run(self) -> None:
        """Work until each run has an end.

        On Ctrl-C all jobs of this sweep are cancelled.
        """
        # A terminal sees the clock run; a log file, what has changed.
        bar = tqdm(total=len(self.ends) + len(self._todo), unit='run',
                   initial=len(self.ends), smoothing=0,
                   mininterval=.1 if sys.stderr.isatty() else 60)
        with bar:
            try:
                while self._todo or self._jobs:
                    self._collect()
                    self._send()
                    bar.set_postfix(running=len(self._jobs), refresh=False)
                    bar.update(len(self.ends) - bar.n)
                    if self._todo or self._jobs:
                        time.sleep(self.poll)
            except KeyboardInterrupt:
                self._cancel()
                raise

    def _collect(self) -> None:
        """Note how jobs ended. What is on disk counts; the job only says why
        there is no result."""
        for run, (sent, devices) in list(self._jobs.items()):
            if not sent.done():
                continue
            del self._jobs[run]
            self._free.append(devices)
            error = sent.exception()
            code = sent.result() if error is None else str(error)
            if is_finished(run):
                self.ends[run] = 'finished'
            elif code is None or is_running(run):  # by another sweep
                self._todo.append(run)
            else:
                self.ends[run] = f'failed, exit code {code}' if (
                    error is None) else f'failed, {code}'

    def _send(self) -> None:
        """Use free devices for runs that nobody trains."""
        for run in list(self._todo):
            if not self._free:
                return
            if is_running(run):
                continue
            self._todo.remove(run)
            if is_finished(run):
                self.ends[run] = 'finished'
                continue
            devices = self._free.pop(0)
            self._jobs[run] = self.submit(run, devices), devices

    def _cancel(self) -> None:
        """End this sweep's jobs, and wait for their trainings to end."""
        for sent, _ in self._jobs.values():
            sent.cancel(check=False)
        self.ends.update(dict.fromkeys(self._jobs, 'interrupted'))
        until = time.monotonic() + PATIENCE
        while any(map(is_running, self._jobs)) and time.monotonic() < until:
            time.sleep(.1)
