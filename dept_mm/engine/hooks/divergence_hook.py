"""A hook that stops a diverged training run."""
from __future__ import annotations

import math

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from dept_mm.engine.hooks._model import unwrapped_model
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class DivergenceHook(Hook):
    """Stops training when the loss or a parameter is nan or infinite.

    Losses are checked several at a time, so that the GPU need not be waited
    for in every step. Parameters are checked at the end of each epoch and
    before they are saved, so that no checkpoint holds a broken parameter.

    Config::

        default_hooks = dict(
            divergence=dict(type='DivergenceHook', max_loss=100.))

    Args:
        interval (int): Number of steps between two checks of the losses.
            Defaults to 50.
        max_loss (float, optional): A loss above this value also stops
            training. Defaults to None, which allows any finite loss.

    Raises:
        DeptError: During training; the message names the step, the learning
            rates and the last checkpoint.
    """
    # After MeanLossHook; before hooks that average epochs or save.
    priority = 'HIGH'

    def __init__(self, interval: int = 50, max_loss: float | None = None
                 ) -> None:
        if interval < 1:
            raise DeptError(f'DivergenceHook: interval={interval} must be '
                            '1 or more.')
        self.interval = interval
        self.max_loss = math.inf if max_loss is None else max_loss
        self._losses: list[Tensor] = []

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Note the loss, and check the noted ones every few steps."""
        if outputs and 'loss' in outputs:
            loss = torch.as_tensor(outputs['loss'])
            self._losses.append(loss.detach().reshape(()))
        if len(self._losses) >= self.interval:
            self._check_losses(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Check the remaining losses and the parameters."""
        self._check_losses(runner, runner.iter)
        self._check_parameters(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict
                               ) -> None:
        """Refuse to save parameters that are nan or infinite."""
        self._check_parameters(runner)

    def _check_losses(self, runner: Runner, step: int) -> None:
        if not self._losses:
            return
        values = torch.stack(self._losses).tolist()
        self._losses.clear()
        for i, value in enumerate(values, step - len(values) + 1):
            if not math.isfinite(value) or value > self.max_loss:
                raise self._make_error(runner, i, f'the loss is {value:g}')

    def _check_parameters(self, runner: Runner) -> None:
        for name, parameter in unwrapped_model(runner).named_parameters():
            if parameter.requires_grad and not parameter.isfinite().all():
                raise self._make_error(runner, runner.iter,
                                  f'{name} is nan or infinite')

    @staticmethod
    def _make_error(runner: Runner, step: int, what: str) -> DeptError:
        rates = {f'{rate:g}' for rates in runner.optim_wrapper.get_lr(
            ).values() for rate in rates}
        last = runner.message_hub.runtime_info.get('last_ckpt')
        return DeptError(
            f'Training diverged: {what} at step {step} of {runner.max_iters} '
            f'(epoch {runner.epoch + 1}). Learning rates: '
            f'{", ".join(sorted(rates))}. The last good checkpoint: '
            f'{last or "none yet"}. Lower optim_wrapper.optimizer.lr, warm '
            'it up for longer, or leave out --amp.')
