"""ProGrad: gradients that do not contradict a guide."""
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
    r"""Removes from each gradient what works against a guide.

    "Prompt-aligned Gradient for Prompt Tuning" (ProGrad, Zhu et al., ICCV
    2023), equation 4; as in its code, each parameter tensor for itself. With
    the gradient :math:`a` of the loss and :math:`b` of the guide,

    .. math::
        a \leftarrow a - \lambda \frac{\langle a, b \rangle}{\|b\|^2} b
        \quad \text{where} \quad \langle a, b \rangle < 0.

    The guide is a term among ``losses`` of the head. Its value stays in the
    log, its gradient no longer adds to that of the loss. Parameters that it
    does not reach, e.g. those of DePT's second head, keep their gradient.

    A hook, so that it goes with every optimiser wrapper: the guide's
    gradient is taken as soon as the term is computed, while its graph is
    there; it is summed over accumulated batches, and averaged over processes
    (of DDP, which sees the other gradient only) right before the step.

    Args:
        guide (str): Type of the term.
            Defaults to ``'ZeroShotDivergenceLoss'``, the paper's.
        weight (float): :math:`\lambda`. Defaults to 1.0; the public code has
            0.8 for few-shot training of Flowers102, DTD and EuroSAT.

    Raises:
        DeptError: When training starts, if the head has no such term.
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
        """Listen to the terms and to the optimiser."""
        model, kind = unwrapped_model(runner), MODELS.get(self.guide)
        terms = [m for m in model.modules() if kind and isinstance(m, kind)]
        if not terms:
            raise DeptError(
                f'ProGradHook: no term of the head is a {self.guide}; give '
                f"the head losses=[dict(type='{self.guide}')].")
        self._learned = [p for p in model.parameters() if p.requires_grad]
        self._scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
        self._handles = [t.register_forward_hook(self._take) for t in terms]
        self._handles.append(
            runner.optim_wrapper.optimizer.register_step_pre_hook(
                self._project))

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Forget the guide's gradient after a step; also after one that a
        loss scaler left out."""
        if runner.optim_wrapper.should_update():
            self._sums.clear()

    def after_train(self, runner: Runner) -> None:
        """Stop listening."""
        for handle in self._handles:
            handle.remove()

    def _take(self, term: nn.Module, args: tuple, value: Tensor) -> Tensor:
        """Add up the guide's gradient, and take it out of the loss."""
        if value.requires_grad:
            # Its length does not matter, but in fp16 it must not underflow.
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
        for parameter, guide in self._sums.items():
            all_reduce(guide, op='mean')
            if parameter.grad is None:
                continue
            unit = guide / guide.norm()
            along = (parameter.grad * unit).sum()
            # Not so where the guide is silent: nan.
            if along < 0:
                parameter.grad -= (self.weight * along * unit).to(
                    parameter.grad.dtype)
