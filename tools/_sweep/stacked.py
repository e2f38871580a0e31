"""Runs that differ in seed and options only, as one batch in this process."""
from __future__ import annotations

import argparse
import logging
import os
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import groupby

import torch
from train import make_runner

from _sweep import job
from _sweep.executors import local_slots
from _sweep.job import Job, Run
from dept_mm.apis import train_stacked
from dept_mm.errors import DeptError


class Stacked:
    """Trains one stack after the other; see ``train_stacked``.

    What is on disk is that of separate runs: either may finish what the
    other has begun.

    Args:
        args (Namespace): Options of the sweep.
        runs (Sequence[Run]): No two of one work dir.

    Raises:
        DeptError: If runs are to have several processes.
    """

    def __init__(self, args: argparse.Namespace, runs: Sequence[Run]) -> None:
        if args.processes > 1:
            raise DeptError('--executor stacked trains in this process: '
                            'leave out --processes.')
        self.args = args
        self.ends: dict[Run, str] = {}
        self.trouble: dict[Run, str] = {}
        self._todo: list[Run] = []
        for run in runs:
            found = job.state(run)
            if found == 'open' or (found == 'failed' and args.retry):
                self._todo.append(run)
            else:
                self.ends[run] = found

    def run(self) -> None:
        """Work until nothing is left."""
        slots, threads = local_slots(self.args)
        with job.any_of(slots[:self.args.jobs]) as (slot, _):
            os.environ['CUDA_VISIBLE_DEVICES'] = slot.devices
            torch.set_num_threads(threads)
            for _, stack in groupby(
                    sorted(self._todo, key=lambda run: run.stack),
                    lambda run: run.stack):
                self._train(list(stack))

    def _train(self, runs: list[Run]) -> None:
        with ExitStack() as stack:
            files = {}
            for run in runs:
                run.work_dir.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(job.lock(
                    run.work_dir / job.JOURNAL))
                if file is None or job.is_finished(run):  # by another sweep
                    self.ends[run] = 'finished' if file else 'running'
                else:
                    files[run] = file
                    job.write(file, event='started', pid=os.getpid(),
                              stack=len(runs), fingerprint=run.fingerprint)
            errors: list[BaseException | None] = []
            try:
                errors = train_stacked([partial(_train, run)
                                        for run in files])
            finally:  # also on Ctrl-C
                errors = errors or [KeyboardInterrupt()] * len(files)
                for (run, file), error in zip(files.items(), errors,
                                              strict=True):
                    self._end(run, file, error)

    def _end(self, run: Run, file, error: BaseException | None) -> None:
        """Write down how a run ended."""
        if job.is_finished(run):
            self.ends[run] = 'finished'
        elif isinstance(error, KeyboardInterrupt):
            self.ends[run] = 'interrupted'
        else:
            self.ends[run] = 'failed'
            with open(run.work_dir / job.LOG, 'a') as log:
                traceback.print_exception(error, file=log)
        job.write(file, event=self.ends[run],
                  **dict(exit_code=1) if self.ends[run] == 'failed' else {})


def _train(run: Run) -> None:
    """Train a run as ``tools/train.py`` does."""
    name = run.work_dir.name
    runner = make_runner([*Job(run, '').arguments(), '--cfg-options',
                          f'experiment_name={name}'])

    def label(record: logging.LogRecord) -> bool:
        record.msg = f'[{name}] {record.msg}'
        return True

    runner.logger.addFilter(label)
    runner.train()
