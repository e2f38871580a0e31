"""A hook that tests the epoch which validation images choose."""
from __future__ import annotations

from pathlib import Path

from mmengine.dist import barrier
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from dept_mm.engine.run_record import dataset_name, hash_images
from dept_mm.evaluation import BaseNewMetric
from dept_mm.registry import HOOKS

INFO = 'selection'


@HOOKS.register_module()
class SelectionHook(Hook):
    """Chooses the epoch with the best validation, and tests that one only.

    The checkpoint hook keeps the best epoch (``save_best``), among equally
    good ones the first. When training ends, its weights are loaded and tested.
    Test images therefore have no part in the choice. ``--select val`` of
    ``tools/train.py`` adds this hook and changes what it needs.

    What was best so far is saved in checkpoints, so that a resumed run
    chooses, and stops, as an uninterrupted one does. (MMEngine's
    ``EarlyStoppingHook`` starts to count anew.)

    Config::

        custom_hooks = _base_.custom_hooks + [dict(type='SelectionHook')]
        default_hooks = dict(checkpoint=dict(
            save_best='base_new/base', rule='greater'))

    Args:
        monitor (str): The metric that chooses; higher is better. Defaults to
            ``'base_new/base'``.
        split (str): What ``result.json`` says has chosen. Defaults to
            ``'val'``.
        patience (int, optional): Training ends after so many validations
            without a better one. Defaults to None: it does not end early.
    """
    # Others find the test loop in `before_run`, and the test in `after_train`.
    priority = 'HIGHEST'

    def __init__(self, monitor: str = 'base_new/base', split: str = 'val',
                 patience: int | None = None) -> None:
        self.monitor = monitor
        self.split = split
        self.patience = patience

    def before_run(self, runner: Runner) -> None:
        """Build the test loop, which a feature store then prepares, too."""
        assert runner.test_loop is not None

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Note the best validation, and how long ago it was."""
        score, loop = metrics[self.monitor], runner.train_loop
        unit, now = (('epoch', loop.epoch)
                     if isinstance(loop, EpochBasedTrainLoop)
                     else ('step', loop.iter))
        best = runner.message_hub.get_info(INFO)
        if best is None or score > best['score']:
            best = {'score': score, unit: now, 'counts': self._count(runner)}
            runner.message_hub.update_info(INFO, best)
        # Not counted: a resumed run may repeat the validation it was ended in.
        waited = (now - best[unit]) // loop.val_interval
        if self.patience is not None and waited >= self.patience:
            runner.logger.info(f'The last {waited} validations were not '
                               'better than the best one: training ends.')
            loop.stop_training = True

    def after_train(self, runner: Runner) -> None:
        """Load the best epoch and test it."""
        barrier()  # the main process has written it
        runner.load_checkpoint(runner.message_hub.get_info('best_ckpt'),
                               strict=True)
        runner.test_loop.run()

    def report(self, runner: Runner) -> dict:
        """Return what ``result.json`` says of the choice.

        Returns:
            dict: ``selection``, and further entries of ``results`` and
            ``images`` under the same name.
        """
        best = dict(runner.message_hub.get_info(INFO))
        counts = best.pop('counts')
        checkpoint = Path(runner.message_hub.get_info('best_ckpt')).name
        name = dataset_name(runner.cfg, 'val_dataloader')
        return dict(
            selection=dict(split=self.split, metric=self.monitor, **best,
                           checkpoint=checkpoint),
            results={name: counts},
            images=hash_images(runner.val_loop.dataloader.dataset))

    @staticmethod
    def _count(runner: Runner) -> dict[str, dict[str, int]]:
        """Return the counts of the validation just made, by half."""
        return {
            half: {key: found[key] for key in ('correct', 'total')}
            for metric in runner.val_loop.evaluator.metrics
            if isinstance(metric, BaseNewMetric)
            for half, found in metric.halves.items()}
