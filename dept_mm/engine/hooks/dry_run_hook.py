"""A hook that ends a run after a few batches, to see how it will go."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from dept_mm.cli.screen import format_time
from dept_mm.engine.hooks.base_new_table_hook import BaseNewTableHook
from dept_mm.engine.loops import MultiDataset, each_dataset
from dept_mm.engine.pace import Pace, count_batches, count_left, count_test

STEPS, BATCHES = 3, 2  # the first ones warm up


class DryRunHook(Hook):
    """Runs a few steps and batches of each evaluation, and measures them.

    The run is the real one, with all its hooks, but its loaders end early.
    What it writes belongs into a temporary folder, which ``tools/train.py
    --dry-run`` gives it. What prepares the model on all data, such as
    ``TipAdapterHook``, does so here, too.

    Attributes:
        pace (Pace): What a step and a batch of evaluation take.
        steps (int): Steps of the whole training.
        batches (dict): Batches of all its evaluations, by what they are.
    """
    # Shortens the loaders before another hook uses them.
    priority = 'HIGHEST'

    def __init__(self) -> None:
        self.pace = Pace()
        self.steps = 0
        self.batches: dict[str, int] = {}

    def before_run(self, runner: Runner) -> None:
        """Count what there is to do, then shorten the loaders."""
        self.steps, batches = count_left(runner)
        tested = count_test(runner)
        self.batches = {'validation': batches - tested, 'the test': tested}
        loop = runner.train_loop
        loop.dataloader = FirstBatches(loop.dataloader, STEPS)
        if tested:
            shorten(runner.test_loop)
        if runner.val_loop is None:
            return
        if any(isinstance(hook, BaseNewTableHook) and hook.zero_shot
               for hook in runner.hooks):
            self.batches['zero-shot CLIP'] = (
                tested or count_batches(runner.val_loop))
        shorten(runner.val_loop)

    def before_train_epoch(self, runner: Runner) -> None:
        """Start the clock."""
        self.pace.start()

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Measure a step, and end training after the last one."""
        self.pace.note('step')
        runner.train_loop.stop_training = batch_idx + 1 >= STEPS

    def after_train_epoch(self, runner: Runner) -> None:
        """End training also where an epoch has fewer steps, or none."""
        runner.train_loop.stop_training = True

    def after_train(self, runner: Runner) -> None:
        """Evaluate, where no validation was due."""
        if runner.val_loop is not None and self.pace.batch is None:
            runner.val_loop.run()

    def _before_evaluation(self, runner: Runner) -> None:
        self.pace.start()

    def _after_batch(self, runner: Runner, batch_idx: int, data_batch=None,
                     outputs=None) -> None:
        self.pace.note('batch')

    before_val_epoch = before_test_epoch = _before_evaluation
    after_val_iter = after_test_iter = _after_batch

    def report(self, work_dir: str) -> str:
        """Say what training will do and how long it will take."""
        seconds, taken = 0., []
        if self.pace.step is not None:  # there is a training
            seconds += self.steps * self.pace.step
            taken.append(f'{self.steps:,} steps of {self.pace.step:.3f} s')
        batches = {what: n for what, n in self.batches.items() if n}
        if self.pace.batch is not None:
            total = sum(batches.values())
            seconds += total * self.pace.batch
            parts = ', '.join(f'{n:,} of {what}' for what, n in
                              batches.items())
            taken.append(f'{total:,} batches of evaluation of '
                         f'{self.pace.batch:.3f} s ({parts})')
        return (
            'This was a dry run: a few batches went through everything, and '
            'nothing was kept. Training will take about '
            f'{format_time(seconds)} on this machine: '
            f'{" and ".join(taken) or "nothing that was measured"}. This is '
            f'an estimate from {STEPS - 1} steps and {BATCHES - 1} batch '
            'after a warm-up, without what happens once, such as reading the '
            'data set or filling a cache. Checkpoints, log and result.json '
            f'will be in {work_dir}.')


class FirstBatches:
    """Ends a data loader after its first batches; is like it otherwise."""

    def __init__(self, loader: DataLoader, count: int) -> None:
        self._loader, self._count = loader, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)  # what hooks count with

    def __iter__(self) -> Iterator:
        return islice(self._loader, self._count)


def shorten(loop: BaseLoop) -> None:
    """Let an evaluation end after the first batches of each data set."""
    for prefix in each_dataset(loop):
        first = FirstBatches(loop.dataloader, BATCHES)
        if isinstance(loop, MultiDataset):
            loop.exchange(prefix, first)
        else:
            loop.dataloader = first
