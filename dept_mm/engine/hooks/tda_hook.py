"""A hook that gives TDA its test images in a seeded order."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from dept_mm.engine.hooks._model import require_neck
from dept_mm.engine.loops import each_dataset
from dept_mm.errors import DeptError
from dept_mm.models.necks import TDA
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class TDAHook(Hook):
    """Draws the order of test images, and empties the caches of ``TDA``.

    The order of each data set is drawn from the run's seed (``--seed``), and
    is the same in every evaluation of a run. Caches are emptied before each
    data set and after the last one. Labels are not used.

    Raises:
        DeptError: If the model has no ``TDA`` as its neck, or the sampler of
            a data loader cannot shuffle.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the model before anything is loaded."""
        _get_neck(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        """Shuffle all data sets of the validation loop."""
        _shuffle(runner, runner.val_loop)

    def before_test_epoch(self, runner: Runner) -> None:
        """Shuffle all data sets of the test loop."""
        _shuffle(runner, runner.test_loop)

    def _before_iter(self, runner: Runner, batch_idx: int, data_batch=None,
                     mode: str = 'test') -> None:
        """Forget the data set before."""
        if mode != 'train' and batch_idx == 0:
            _get_neck(runner).reset()

    def _after_epoch(self, runner: Runner, mode: str = 'test') -> None:
        """Forget all images."""
        _get_neck(runner).reset()


def _shuffle(runner: Runner, loop: BaseLoop) -> None:
    for _ in each_dataset(loop):
        sampler = loop.dataloader.sampler
        if not hasattr(sampler, 'shuffle'):
            raise DeptError('TDAHook draws the order of images: a '
                            f'{type(sampler).__name__} has no option shuffle; '
                            "use sampler=dict(type='DefaultSampler').")
        sampler.shuffle, sampler.seed = True, runner.seed


def _get_neck(runner: Runner) -> TDA:
    return require_neck(
        runner, TDA, 'TDAHook: the model has no TDA; give '
        "model.neck=dict(type='TDA').")
