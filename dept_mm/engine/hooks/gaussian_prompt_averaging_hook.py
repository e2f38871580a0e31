"""A hook that averages the parameters over epochs, as PromptSRC does."""
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
    r"""Ends training with a weighted mean of the parameters of all epochs.

    "Self-regulating Prompts" (PromptSRC, Khattak et al., ICCV 2023), section
    3.2.2: the learned parameters after epoch :math:`e = 1 \dots E` have the
    weight :math:`w_e \propto N(e; \mu, \sigma^2)`, :math:`\sum w_e = 1`,
    because early epochs are immature and the last ones too specific. The sums
    are kept in fp32 and saved in checkpoints. The mean replaces the parameters
    at the end of the last epoch, before its checkpoint is saved and before its
    validation.

    The public code averages the whole state in fp16, including frozen weights;
    here only learned parameters change.

    Config::

        custom_hooks = _base_.custom_hooks + [
            dict(type='GaussianPromptAveragingHook', mean=15, std=1)]

    Args:
        mean (float): :math:`\mu`, in epochs. Defaults to 15.0.
        std (float): :math:`\sigma`, in epochs. Defaults to 1.0.
        prefix (str): Average only parameters whose names start with this;
            ``'backbone'`` keeps the head of the last epoch. Defaults to
            ``''``, which averages all learned parameters.

    Raises:
        DeptError: When training starts, if an option does not fit the run, or
            if the run resumes from a checkpoint with other options or without
            the sums.
    """
    # After hooks that change parameters, before the checkpoint is saved.
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
        """Check the options and log the weights of the epochs."""
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
        if not self._learned_parameters(runner):
            raise DeptError('GaussianPromptAveragingHook: no learned '
                            f'parameter starts with prefix={self.prefix!r}.')
        self._weights = compute_epoch_weights(self.mean, self.std, epochs)
        if loop.epoch and not self._sums:
            raise DeptError(
                'GaussianPromptAveragingHook: the checkpoint to resume from '
                f'has no {KEY!r}, so the first {loop.epoch} epochs would be '
                'missing. Train from the start, or remove the hook.')
        shown = ', '.join(f'{e}: {w:.3f}' for e, w in enumerate(
            self._weights.tolist(), 1) if w >= 5e-4)
        runner.logger.info(f'Weights of the epochs in the average: {shown}')

    @torch.no_grad()
    def after_train_epoch(self, runner: Runner) -> None:
        """Add an epoch to the sums; after the last, use the mean."""
        weight = float(self._weights[runner.epoch])
        for name, parameter in self._learned_parameters(runner).items():
            part = weight * parameter.float()
            known = self._sums.get(name)
            self._sums[name] = part if known is None else known.to(part) + part
        if runner.epoch + 1 == len(self._weights):
            for name, parameter in self._learned_parameters(runner).items():
                parameter.copy_(self._sums[name])
            runner.logger.info('The parameters are now the mean of all '
                               'epochs.')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict
                               ) -> None:
        """Save the sums and the options they depend on."""
        checkpoint[KEY] = dict(self._settings(runner), sums=dict(self._sums))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Restore the sums when a run is resumed."""
        if not runner._resume or KEY not in checkpoint:
            return
        found = dict(checkpoint[KEY])
        self._sums, own = found.pop('sums'), self._settings(runner)
        if found != own:
            raise DeptError('GaussianPromptAveragingHook: the checkpoint was '
                            f'averaged with {found}, but this run has {own}.')

    def _learned_parameters(self, runner: Runner) -> dict[str, nn.Parameter]:
        return {name: parameter for name, parameter
                in unwrapped_model(runner).named_parameters()
                if parameter.requires_grad and name.startswith(self.prefix)}

    def _settings(self, runner: Runner) -> dict:
        return dict(mean=float(self.mean), std=float(self.std),
                    prefix=self.prefix, epochs=runner.max_epochs)


def compute_epoch_weights(mean: float, std: float, epochs: int) -> Tensor:
    """Compute the weight of each epoch.

    Returns:
        Tensor: ``(E, )`` densities of N(mean, std^2) at 1 ... E, normalised to
        sum to 1.
    """
    epoch = torch.arange(1, epochs + 1, dtype=torch.float64)
    return (-(epoch - mean) ** 2 / (2 * std ** 2)).softmax(0)
