"""A warm-up with one absolute learning rate, as CoOp and DePT use it."""
from __future__ import annotations

from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler

from dept_mm.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class AbsoluteWarmupLR(LRSchedulerMixin, _ParamScheduler):
    """Sets one small learning rate for all parameter groups during a warm-up.

    After the warm-up, each group gets its own rate back. MMEngine's warm-ups
    multiply, so they keep the ratio between groups; the public code of CoOp
    and DePT sets the same absolute value for all groups in the first epoch.

    Config (the next scheduler begins where this one ends)::

        param_scheduler = [
            dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
            dict(type='CosineAnnealingLR', T_max=10, begin=1)]

    Args:
        optimizer (Optimizer or OptimWrapper): Wrapped optimizer.
        lr (float): Learning rate in ``[begin, end)``. Defaults to 1e-5.
        begin (int): First step of the warm-up. Defaults to 0.
        end (int): First step after the warm-up. Defaults to 1.
        last_step (int): Index of the last step, to resume without a state
            dict. Defaults to -1.
        by_epoch (bool): Whether a step is an epoch. Defaults to True.
        verbose (bool): Whether to print each update. Defaults to False.
    """

    def __init__(self, optimizer, lr: float = 1e-5, begin: int = 0,
                 end: int = 1, last_step: int = -1, by_epoch: bool = True,
                 verbose: bool = False) -> None:
        self.lr = lr
        self.length = end - begin
        # LRSchedulerMixin adds param_name. The end is one step later, because
        # a scheduler is not called from its end on, and this one must still
        # restore the groups' own rates in that step.
        super().__init__(optimizer, begin=begin, end=end + 1,
                         last_step=last_step, by_epoch=by_epoch,
                         verbose=verbose)

    def _get_value(self) -> list[float]:
        """Return the learning rate of each group."""
        if self.last_step < self.length:
            return [self.lr] * len(self.base_values)
        return self.base_values
