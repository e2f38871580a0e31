"""A hook for ProGrad: gradients that do not contradict a guide."""
from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.optim import Optimizer

from dept_mm.engine.hooks._model import unwrapped_model
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS, MODELS


@HOOKS.register_module()
class ProGradHook(Hook):
    r"""Removes the part of each gradient that works against a guide.

    "Prompt-aligned Gradient for Prompt Tuning" (ProGrad, Zhu et al., ICCV
    2023), equation 4, applied to each parameter tensor separately, as in its
    public code. With the gradient :math:`a` of the loss and the gradient
    :math:`b` of the guide,

    .. math::
        a \leftarrow a - \lambda \frac{\langle a, b \rangle}{\|b\|^2} b
        \quad \text{where} \quad \langle a, b \rangle < 0.

    The guide is one of the loss terms in ``losses`` of the head. Its value
    stays in the log, but its gradient no longer adds to that of the loss.
    Parameters that the guide does not reach, such as those of DePT's second
    head, keep their gradient.

    As a hook, it works with every optimizer wrapper. It takes the guide's
    gradient as soon as the term is computed, while the graph still exists. The
    gradient is summed over accumulated batches and averaged over processes
    right before the step, since DDP averages only the other gradient.

    Config (the head needs the guide among its ``losses``)::

        custom_hooks = _base_.custom_hooks + [dict(type='ProGradHook')]

    Args:
        guide (str): Type of the loss term that is the guide. Defaults to
            ``'ZeroShotDivergenceLoss'``, as in the paper.
        weight (float): :math:`\lambda`. Defaults to 1.0; the public code uses
            0.8 for few-shot training on Flowers102, DTD and EuroSAT.

    Raises:
        DeptError: When training starts, if the head has no such loss term.
    """

    def __init__(self, guide: str = 'ZeroShotDivergenceLoss',
                 weight: float = 1.) -> None:
        self.guide = guide
        self.weight = weight
        self._learned: list[nn.Parameter] = []
        self._sums: dict[nn.Parameter, Tensor] = {}
        self._handles: list = []
        self._scaler = None

    def before_train(self, runner: Runner) -> None:
        """Attach to the loss terms and to the optimizer."""
        model, kind = unwrapped_model(runner), MODELS.get(self.guide)
        terms = [m for m in model.modules() if kind and isinstance(m, kind)]
        if not terms:
            raise DeptError(
                f'ProGradHook: no term of the head is a {self.guide}; give '
                f"the head losses=[dict(type='{self.guide}')].")
        self._learned = [p for p in model.parameters() if p.requires_grad]
        self._scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
        self._handles = [term.register_forward_hook(self._take_gradient)
                         for term in terms]
        self._handles.append(
            runner.optim_wrapper.optimizer.register_step_pre_hook(
                self._project))

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Forget the guide's gradient after each optimizer step.

        This includes steps that a loss scaler has skipped.
        """
        if runner.optim_wrapper.should_update():
            self._sums.clear()

    def after_train(self, runner: Runner) -> None:
        """Detach from the loss terms and the optimizer."""
        for handle in self._handles:
            handle.remove()

    def _take_gradient(self, term: nn.Module, args: tuple, value: Tensor
                       ) -> Tensor:
        """Add up the guide's gradient and keep it out of the loss."""
        if value.requires_grad:
            # Scaling changes only the length, which does not matter;
            # without it, small gradients would underflow in fp16.
            scaled = self._scaler.scale(value) if self._scaler else value
            with torch.autocast(value.device.type, enabled=False):
                grads = torch.autograd.grad(
                    scaled, self._learned, retain_graph=True,
                    allow_unused=True)
            for parameter, grad in zip(self._learned, grads, strict=True):
                if grad is not None:
                    self._sums[parameter] = (
                        self._sums.get(parameter, 0) + grad.float())
        return value.detach()

    @torch.no_grad()
    def _project(self, optimizer: Optimizer, args: tuple, kwargs: dict
                 ) -> None:
        """Remove from each gradient its part against the guide."""
        for parameter, guide in self._sums.items():
            all_reduce(guide, op='mean')
            if parameter.grad is None:
                continue
            unit = guide / guide.norm()
            along = (parameter.grad * unit).sum()
            # False for a zero guide, where `along` is nan.
            if along < 0:
                parameter.grad -= (self.weight * along * unit).to(
                    parameter.grad.dtype)
