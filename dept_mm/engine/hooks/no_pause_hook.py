"""A hook that begins each pass over the training data at once."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from dept_mm.registry import HOOKS


@HOOKS.register_module()
class NoPauseHook(Hook):
    """Begins each pass over the training data at once.

    In an iteration-based training, MMEngine waits for two seconds before each
    pass but the first, and warns. A pass over few-shot data takes a few
    steps, so most of such a training would be waiting. Batches are those that
    MMEngine would take: the sampler is told which pass it is.

    Config::

        default_hooks = dict(no_pause=dict(type='NoPauseHook'))
    """

    def before_train(self, runner: Runner) -> None:
        """Replace what gives batches; a resumed run skips some of it next."""
        loop = runner.train_loop
        if isinstance(loop, IterBasedTrainLoop):
            # Workers start once: this iterator has not been used.
            loop.dataloader_iterator = _each_pass(
                loop.dataloader, loop.dataloader_iterator._iterator)

    def after_train(self, runner: Runner) -> None:
        """Let workers end now, which garbage would wait for."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            runner.train_loop.dataloader_iterator.close()


def _each_pass(loader: DataLoader, batches: Iterator) -> Iterator[Any]:
    """Yield batches for ever."""
    # A batch sampler of the config keeps the sampler itself.
    sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
    number = 0
    while True:
        yield from batches
        number += 1
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(number)
        del batches  # its workers end before others start
        batches = iter(loader)
