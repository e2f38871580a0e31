"""A hook that averages logged losses over the processes of a run."""
from __future__ import annotations

from mmengine.dist import all_reduce_dict
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.registry import HOOKS


@HOOKS.register_module()
class MeanLossHook(Hook):
    """Averages the logged losses over all processes of a distributed run.

    MMEngine logs the losses of the first process only. Their curve is noisier
    than that of a single process with the same global batch.

    Config::

        default_hooks = dict(mean_loss=dict(type='MeanLossHook'))
    """
    # Runs before RuntimeInfoHook, which puts the losses into the log.
    priority = 'HIGHEST'

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Average ``outputs`` in place; do nothing in a single process."""
        if outputs:
            all_reduce_dict(outputs, op='mean')
