"""A hook that ends training in an orderly way when a signal asks for it."""
from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from dept_mm.engine.loops import each_dataset
from dept_mm.registry import HOOKS

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: try again later
SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Seconds in which a launcher may pass on a signal that its processes have
# already received.
REPEAT = 2.


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Ends training after the current step on SIGTERM or SIGINT (Ctrl-C).

    The process logs how to resume and exits with code 75. MMEngine resumes at
    the start of an epoch, so the steps since the last checkpoint are repeated
    with the same data and random numbers: the result is that of an
    uninterrupted run. At the end of an epoch, and at any step of an
    iteration-based run, a checkpoint is saved first. A signal that comes more
    than two seconds after the first ends the process at once.

    The processes of a distributed run end together, within ``interval`` steps.

    Config::

        default_hooks = dict(stop_signal=dict(type='StopSignalHook'))

    Args:
        interval (int): Number of steps after which the processes of a
            distributed run ask each other whether to stop. Defaults to 10.
    """
    # Runs after the checkpoint is saved.
    priority = 'LOWEST'

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self._former: dict = {}
        self._caught: str | None = None
        self._since: float | None = None
        self._pid = os.getpid()

    def before_train(self, runner: Runner) -> None:
        """Install signal handlers, which Python allows in the main thread
        only."""
        self._caught, self._since, self._pid = None, None, os.getpid()
        if threading.current_thread() is not threading.main_thread():
            return
        self._former = {number: signal.signal(number, self._note_signal)
                        for number in SIGNALS}
        atexit.register(end_workers)
        for loader in each_loader(runner):
            loader.worker_init_fn = partial(
                self._start_worker, loader.worker_init_fn)

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Stop after a step, if a signal came.

        After the last step of an epoch, the checkpoint of the epoch is saved
        first; see ``after_train_epoch``.
        """
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        if by_epoch and self.end_of_epoch(
                runner.train_dataloader, batch_idx):
            return
        if self._should_stop(runner.iter):
            self._stop(runner, runner.iter + 1, save=not by_epoch)

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop after an epoch, if a signal came."""
        if self._should_stop(0):
            self._stop(runner, runner.iter, save=True)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None,
                       outputs=None) -> None:
        """Stop during a validation, which the resumed run repeats."""
        if self._caught and get_world_size() == 1:
            self._stop(runner, runner.iter, save=False)

    after_test_iter = after_val_iter  # of a test that belongs to a training

    def after_train(self, runner: Runner) -> None:
        """Restore the previous signal handlers, and end the workers.

        Persistent ones would otherwise outlive the runner: when Python
        collects it as garbage, their queues are closed before torch tells
        them to end, and they ignore the signal that it sends then. A loader
        that is used again starts new ones.
        """
        self._restore_handlers()
        for loader in each_loader(runner):
            loader._iterator = None

    def _start_worker(self, start: Callable | None, number: int) -> None:
        """Keep a data loader worker alive when a signal comes.

        A job scheduler or a terminal signals all processes. Workers must live
        until the step is done, but by default torch lets the signal end them.
        """
        if start is not None:
            start(number)
        for each in SIGNALS:
            signal.signal(each, self._note_signal)

    def _note_signal(self, number: int, frame) -> None:
        """Note the first signal; leave a later one to the previous handler."""
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > REPEAT:
            self._restore_handlers()
            os.kill(os.getpid(), number)
        elif os.getpid() == self._pid:
            self._caught = signal.Signals(number).name

    def _restore_handlers(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _should_stop(self, step: int) -> bool:
        """Return whether any process has received a signal."""
        if get_world_size() == 1:
            return self._caught is not None
        if step % self.interval:
            return False
        flag = torch.tensor(int(self._caught is not None))
        all_reduce(flag, op='max')
        return bool(flag)

    def _stop(self, runner: Runner, step: int, save: bool) -> None:
        """Save a checkpoint if wanted, log how to resume, and exit."""
        self._restore_handlers()
        hook = next((h for h in runner.hooks
                     if isinstance(h, CheckpointHook)), None)
        if save and hook is not None:
            hook._save_checkpoint(runner)
        last = runner.message_hub.runtime_info.get('last_ckpt')
        runner.logger.warning(
            f'Stopped by {self._caught or "another process"} after step '
            f'{step}. ' + (
                f'Continue with --resume: it starts from {last} and repeats '
                'later steps.' if last else 'There is no checkpoint yet.'))
        end_workers()
        raise SystemExit(EXIT_CODE)


def each_loader(runner: Runner) -> Iterator[DataLoader]:
    """Yield the data loaders of training and of validation."""
    for loop in (runner.train_loop, runner.val_loop):
        for _ in each_dataset(loop) if loop is not None else ():
            yield loop.dataloader


def end_workers() -> None:
    """Kill the data loader workers, for which Python would wait when it exits.

    Python asks them to end with SIGTERM, which they ignore; see
    ``_start_worker``.
    """
    if os.name == 'posix':  # or torch reports a crashed worker
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()
