"""Losses of all processes in the log."""
from __future__ import annotations

from mmengine.dist import all_reduce_dict
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.registry import HOOKS


@HOOKS.register_module()
class MeanLossHook(Hook):
    """Averages logged losses over the processes of a run.

    mmengine logs those of the first process only: a noisier curve that no
    run on one process with the same global batch would give.
    """
    # RuntimeInfoHook puts the losses into the log right after.
    priority = 'HIGHEST'

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Average ``outputs`` in place; a single process is left alone."""
        if outputs:
            all_reduce_dict(outputs, op='mean')
