"""Which job is sent off when."""
from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

from _sweep import job
from _sweep.job import Run


class Schedule:
    """Keeps a number of jobs under way until each run has an end.

    Args:
        runs (Sequence[Run]): No two of one work dir.
        submit (Callable): Run -> job of submitit.
        limit (int): How many jobs at once.
        retry (bool): Whether to try runs again that have failed.
        poll (float): Seconds between two looks. Defaults to 1.0.
    """

    def __init__(self, runs: Sequence[Run], submit: Callable[[Run], Any],
                 limit: int, retry: bool, poll: float = 1.) -> None:
        self.submit, self.limit, self.poll = submit, limit, poll
        self.ends: dict[Run, str] = {}
        self.trouble: dict[Run, str] = {}
        self._todo: deque[Run] = deque()
        self._jobs: dict[Run, Any] = {}
        self._elsewhere: list[Run] = []
        for run in runs:
            found = job.state(run)
            if found == 'finished' or (found == 'failed' and not retry):
                self.ends[run] = found
            else:
                self._todo.append(run)

    def run(self) -> None:
        """Work until nothing is left.

        On Ctrl-C all jobs of this sweep are cancelled; each goes on from
        its last checkpoint when a sweep has it again.
        """
        before, total = len(self.ends), len(self.ends) + len(self._todo)
        with tqdm(total=total, initial=before, smoothing=0, unit='run') as bar:
            try:
                while self._todo or self._jobs or self._elsewhere:
                    self._look()
                    self._show(bar)
                    if self._jobs or self._elsewhere:
                        time.sleep(self.poll)
            except KeyboardInterrupt:
                self._cancel()
                raise

    def _look(self) -> None:
        for run in [r for r, j in self._jobs.items() if j.done()]:
            self._ended(run, self._jobs.pop(run))
        for run in self._elsewhere:
            found = job.state(run)
            if found == 'open':  # the other sweep was interrupted
                self._todo.append(run)
            elif found != 'running':
                self.ends[run] = found
        self._elsewhere = [r for r in self._elsewhere
                           if r not in self.ends and r not in self._todo]
        while self._todo and len(self._jobs) < self.limit:
            run = self._todo.popleft()
            if job.state(run) == 'running':
                self._elsewhere.append(run)
            else:
                self._jobs[run] = self.submit(run)

    def _ended(self, run: Run, done: Any) -> None:
        """What is on disk counts; the job only says if it had the run."""
        error = done.exception()
        found = job.state(run)
        if found == 'running' or (error is None and done.result() == 'taken'):
            self._elsewhere.append(run)
        else:
            self.ends[run] = 'interrupted' if found == 'open' else found
            if error is not None:
                self.trouble[run] = str(error)

    def _show(self, bar: tqdm) -> None:
        before = bar.n, bar.postfix
        bar.set_postfix(running=len(self._jobs),
                        elsewhere=len(self._elsewhere),
                        failed=self._count('failed'), refresh=False)
        bar.n = len(self.ends)
        # A terminal sees the clock run; a log file, what has changed.
        if sys.stderr.isatty() or (bar.n, bar.postfix) != before:
            bar.refresh()

    def _cancel(self) -> None:
        for run, sent in self._jobs.items():
            sent.cancel(check=False)
            self.ends[run] = 'interrupted'
        # Until their processes have let go of runs and devices.
        until = time.monotonic() + 10
        while time.monotonic() < until and any(
                job.state(run) == 'running' for run in self._jobs):
            time.sleep(.1)

    def _count(self, end: str) -> int:
        return sum(found == end for found in self.ends.values())
