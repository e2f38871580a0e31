"""Ending in order when the machine is wanted for something else."""
from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from dept_mm.engine.loops import each_dataset
from dept_mm.registry import HOOKS

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: try again later
SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds in which a launcher passes on what its processes have got already.
REPEAT = 2.


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Ends training after the current step on SIGTERM or SIGINT (Ctrl-C).

    The process says how to go on and exits with code 75. mmengine resumes
    at the start of an epoch: the steps since the last checkpoint are taken
    again, with the same data and random numbers, so the result is that of
    an uninterrupted run. At the end of an epoch, and in an iteration-based
    run at any step, a checkpoint is saved first. A second signal, two
    seconds later, ends the process at once.

    Processes of a distributed run end together, within ``interval`` steps.

    Args:
        interval (int): Steps between two agreements of several processes.
            Defaults to 10.
    """
    # After the checkpoint.
    priority = 'LOWEST'

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self._former: dict = {}
        self._caught: str | None = None
        self._since: float | None = None
        self._pid = os.getpid()

    def before_train(self, runner: Runner) -> None:
        """Listen; Python lets only the main thread do so."""
        self._caught, self._since, self._pid = None, None, os.getpid()
        if threading.current_thread() is not threading.main_thread():
            return
        self._former = {s: signal.signal(s, self._catch) for s in SIGNALS}
        atexit.register(end_workers)
        for loop in (runner.train_loop, runner.val_loop):
            for _ in each_dataset(loop) if loop is not None else ():
                loader = loop.dataloader
                loader.worker_init_fn = partial(
                    self._start_worker, loader.worker_init_fn)

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """End after a step; the last one of an epoch is followed by its
        checkpoint."""
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        if by_epoch and self.end_of_epoch(
                runner.train_dataloader, batch_idx):
            return
        if self._wanted(runner.iter):
            self._stop(runner, runner.iter + 1, save=not by_epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        """End after an epoch."""
        if self._wanted(0):
            self._stop(runner, runner.iter, save=True)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None,
                       outputs=None) -> None:
        """End in a validation, which the resumed run starts again."""
        if self._caught and get_world_size() == 1:
            self._stop(runner, runner.iter, save=False)

    def after_train(self, runner: Runner) -> None:
        """Listen no longer."""
        self._restore()

    def _start_worker(self, start: Callable | None, number: int) -> None:
        """A job or a terminal signals to all processes: workers must live
        until the step is done, but torch lets them die."""
        if start is not None:
            start(number)
        for each in SIGNALS:
            signal.signal(each, self._catch)

    def _catch(self, number: int, frame) -> None:
        """Note the first one; do what it means if it is repeated."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > REPEAT:
            self._restore()
            os.kill(os.getpid(), number)
        elif os.getpid() == self._pid:
            self._caught = signal.Signals(number).name

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _wanted(self, step: int) -> bool:
        if get_world_size() == 1:
            return self._caught is not None
        if step % self.interval:
            return False
        flag = torch.tensor(int(self._caught is not None))
        all_reduce(flag, op='max')
        return bool(flag)

    def _stop(self, runner: Runner, step: int, save: bool) -> None:
        self._restore()
        hook = next((h for h in runner.hooks
                     if isinstance(h, CheckpointHook)), None)
        if save and hook is not None:
            hook._save_checkpoint(runner)
        last = runner.message_hub.runtime_info.get('last_ckpt')
        runner.logger.warning(
            f'Stopped by {self._caught or "another process"} after step '
            f'{step}. ' + (
                f'Go on with --resume: from {last}; later steps are taken '
                'again.' if last else 'There is no checkpoint yet.'))
        end_workers()
        raise SystemExit(EXIT_CODE)


def end_workers() -> None:
    """End what loads data, which Python would wait for when it exits: it
    asks with the signal that workers do not listen to."""
    if os.name == 'posix':  # else torch takes it for a fault
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
