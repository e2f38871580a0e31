"""How long a run takes, from the time of a step and of an evaluated batch."""
from __future__ import annotations

import time

from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop

from dept_mm.engine.loops import MultiDataset


class Pace:
    """Measures steps and evaluated batches, and estimates what is left.

    The first measurement of each kind is a warm-up, which counts only until
    there is another.

    Attributes:
        step (float, optional): Seconds of a training step, with its data.
        batch (float, optional): Seconds of a batch in an evaluation.
    """

    def __init__(self) -> None:
        self.step: float | None = None
        self.batch: float | None = None
        self._since = 0.
        self._known: dict[str, tuple[float, int]] = {}

    def start(self) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def note(self, kind: str) -> None:
        """Note that one more ``'step'`` or ``'batch'`` has ended now."""
        now = time.perf_counter()
        seconds, count = self._known.get(kind, (0., -1))
        seconds = now - self._since + (seconds if count > 0 else 0.)
        self._known[kind] = seconds, count + 1
        setattr(self, kind, seconds / max(1, count + 1))
        self._since = now

    def estimate(self, steps: int, batches: int) -> float | None:
        """Return the seconds that these take; None before the first step."""
        if self.step is None:
            return None
        return steps * self.step + batches * (self.batch or 0.)


def count_left(runner: Runner) -> tuple[int, int]:
    """Count the steps and the evaluated batches until the run ends, with
    those of a test that follows the training."""
    batches = count_test(runner)
    if runner.val_loop is not None:
        batches += (count_validations(runner.train_loop)
                    * count_batches(runner.val_loop))
    return runner.max_iters - runner.iter, batches


def count_test(runner: Runner) -> int:
    """Count the batches of the test; 0 while no test loop is built."""
    loop = getattr(runner, '_test_loop', None)
    return count_batches(loop) if isinstance(loop, BaseLoop) else 0


def count_validations(loop: BaseLoop) -> int:
    """Count the validations that a training loop still runs."""
    done, end = ((loop.epoch, loop.max_epochs)
                 if isinstance(loop, EpochBasedTrainLoop)
                 else (loop.iter, loop.max_iters))
    every, start = loop.val_interval, max(done, loop.val_begin - 1)
    at_the_end = end % every != 0 and end > start
    return max(0, end // every - start // every) + at_the_end


def count_batches(loop: BaseLoop) -> int:
    """Count the batches of an evaluation, over all its data sets.

    The loop may be running: its current data set stays what it is.
    """
    loaders = ([loader for loader, _ in loop.parts.values()]
               if isinstance(loop, MultiDataset) else [loop.dataloader])
    return sum(map(len, loaders))
