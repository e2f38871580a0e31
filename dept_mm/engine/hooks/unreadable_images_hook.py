"""A hook that reports training images which cannot be read."""
from __future__ import annotations

from collections import Counter

from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.datasets.unreadable import read_marks
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS

NAMED = 5


@HOOKS.register_module()
class UnreadableImagesHook(Hook):
    """Reports unreadable training images, and ends training if there are many.

    Data sets of this package replace an unreadable image by another one of its
    class; see :mod:`dept_mm.datasets.unreadable`. After each epoch, this hook
    logs which files were replaced.

    Config::

        default_hooks = dict(
            unreadable=dict(type='UnreadableImagesHook', limit=10))

    Args:
        limit (int): Number of files that may be unreadable. Defaults to 10.

    Raises:
        DeptError: During training, if more files are unreadable; the message
            names them.
    """

    def __init__(self, limit: int = 10) -> None:
        self.limit = limit
        self._seen: Counter[str] = Counter()

    def before_train_epoch(self, runner: Runner) -> None:
        """Start counting anew."""
        self._seen = Counter()

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Count the unreadable images of this batch in this process."""
        found = list(filter(None, read_marks(data_batch)))
        self._seen.update(found)
        if found:
            self._check(self._seen)

    def after_train_epoch(self, runner: Runner) -> None:
        """Add up the counts of all processes and log them."""
        self.report(runner, self._seen, f'Epoch {runner.epoch + 1}')

    def report(self, runner: Runner, seen: Counter[str], when: str) -> None:
        """Add up counts of all processes, log them and check the limit.

        Args:
            runner (Runner): The runner.
            seen (Counter[str]): How often each file was replaced in this
                process.
            when (str): What they were read for; it begins the message.
        """
        seen = sum(all_gather_object(seen), Counter())
        self._check(seen)
        if seen:
            more = len(seen) - NAMED
            runner.logger.warning(
                f'{when}: {seen.total()} samples were '
                f'replaced by others of their class, as {len(seen)} images '
                f'cannot be read: {", ".join(sorted(seen)[:NAMED])}'
                + (f' and {more} more.' if more > 0 else '.'))

    def _check(self, seen: Counter[str]) -> None:
        if len(seen) > self.limit:
            raise DeptError(
                f'{len(seen)} training images cannot be read, more than '
                f'default_hooks.unreadable.limit={self.limit}. Get these '
                'files again:\n' + '\n'.join(sorted(seen)))
