"""PromptSRC's average over epochs."""
from __future__ import annotations

import torch
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor, nn

from dept_mm.engine.hooks._model import unwrapped_model
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS

KEY = 'gaussian_prompt_average'


@HOOKS.register_module()
class GaussianPromptAveragingHook(Hook):
    r"""Ends training with a weighted mean of what each epoch has learned.

    "Self-regulating Prompts" (PromptSRC, Khattak et al., ICCV 2023), section
    3.2.2: after epoch :math:`e = 1 \dots E` the learned parameters count
    with :math:`w_e \propto N(e; \mu, \sigma^2)`, :math:`\sum w_e = 1`; early
    epochs are immature, the last too specific. Sums are kept in fp32 and
    travel in checkpoints. The mean replaces the parameters at the end of the
    last epoch, before its checkpoint and its validation.

    The public code averages the whole state in fp16, frozen weights
    included; here only what is learned changes.

    Args:
        mean (float): :math:`\mu`, an epoch. Defaults to 15.0.
        std (float): :math:`\sigma`, in epochs. Defaults to 1.0.
        prefix (str): Which parameters, by the start of their name;
            ``'backbone'`` leaves the head as the last epoch has it.
            Defaults to all that are learned.

    Raises:
        DeptError: When training starts, if an option does not fit the run,
            or the checkpoint it goes on from does not.
    """
    # After what changes parameters, before the checkpoint is written.
    priority = 'NORMAL'

    def __init__(self, mean: float = 15., std: float = 1., prefix: str = ''
                 ) -> None:
        if std <= 0:
            raise DeptError(f'GaussianPromptAveragingHook: std is {std}; it '
                            'must be above 0.')
        self.mean = mean
        self.std = std
        self.prefix = prefix
        self._sums: dict[str, Tensor] = {}
        self._weights: Tensor | None = None

    def before_train(self, runner: Runner) -> None:
        """Check the options, and log the weights."""
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop):
            raise DeptError('GaussianPromptAveragingHook averages over '
                            'epochs: train_cfg needs by_epoch=True.')
        if any(isinstance(hook, EMAHook) for hook in runner.hooks):
            raise DeptError('GaussianPromptAveragingHook and EMAHook would '
                            'overwrite each other: keep one.')
        epochs = loop.max_epochs
        if not 1 <= self.mean <= epochs:
            raise DeptError(f'GaussianPromptAveragingHook: mean is '
                            f'{self.mean}, but training has {epochs} epochs.')
        if not self._learned(runner):
            raise DeptError('GaussianPromptAveragingHook: no learned '
                            f'parameter starts with prefix={self.prefix!r}.')
        self._weights = gaussian_weights(self.mean, self.std, epochs)
        if loop.epoch and not self._sums:
            raise DeptError(
                'GaussianPromptAveragingHook: the checkpoint that training '
                f'goes on from has no {KEY!r}, so the first {loop.epoch} '
                'epochs would be missing. Start anew, or remove the hook.')
        shown = ', '.join(f'{e}: {w:.3f}' for e, w in enumerate(
            self._weights.tolist(), 1) if w >= 5e-4)
        runner.logger.info(f'Weights of the epochs in the average: {shown}')

    @torch.no_grad()
    def after_train_epoch(self, runner: Runner) -> None:
        """Add an epoch; after the last, put the mean in place."""
        weight = float(self._weights[runner.epoch])
        for name, parameter in self._learned(runner).items():
            part = weight * parameter.float()
            known = self._sums.get(name)
            self._sums[name] = part if known is None else known.to(part) + part
        if runner.epoch + 1 == len(self._weights):
            for name, parameter in self._learned(runner).items():
                parameter.copy_(self._sums[name])
            runner.logger.info('The parameters are now the mean of all '
                               'epochs.')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict
                               ) -> None:
        """Add the sums, and what they were made with."""
        checkpoint[KEY] = dict(self._recipe(runner), sums=dict(self._sums))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take them back where a run goes on."""
        if not runner._resume or KEY not in checkpoint:
            return
        found = dict(checkpoint[KEY])
        self._sums, own = found.pop('sums'), self._recipe(runner)
        if found != own:
            raise DeptError('GaussianPromptAveragingHook: the checkpoint was '
                            f'averaged with {found}, this run has {own}.')

    def _learned(self, runner: Runner) -> dict[str, nn.Parameter]:
        return {name: parameter for name, parameter
                in unwrapped_model(runner).named_parameters()
                if parameter.requires_grad and name.startswith(self.prefix)}

    def _recipe(self, runner: Runner) -> dict:
        return dict(mean=float(self.mean), std=float(self.std),
                    prefix=self.prefix, epochs=runner.max_epochs)


def gaussian_weights(mean: float, std: float, epochs: int) -> Tensor:
    """``(E, )`` densities of N(mean, std^2) at 1 ... E, over their sum."""
    epoch = torch.arange(1, epochs + 1, dtype=torch.float64)
    return (-(epoch - mean) ** 2 / (2 * std ** 2)).softmax(0)
