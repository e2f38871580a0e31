"""Runs that learn nothing by gradients."""
from __future__ import annotations

from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import nn
from torch.optim import SGD

from dept_mm.errors import DeptError
from dept_mm.registry import LOOPS, OPTIM_WRAPPER_CONSTRUCTORS


@LOOPS.register_module()
class TrainingFreeLoop(EpochBasedTrainLoop):
    """A training loop without steps, for models that hooks make ready.

    An epoch loads no data and calls the hooks before and after it; then the
    model is saved and validated as after any other epoch.

    Args:
        *args, **kwargs: Of ``EpochBasedTrainLoop``.

    Raises:
        DeptError: If the model has trainable parameters.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        trainable = [name for name, p in self.runner.model.named_parameters()
                     if p.requires_grad]
        if trainable:
            raise DeptError(
                'TrainingFreeLoop would leave trainable parameters as they '
                f'are, e.g. {trainable[0]!r}. Train them with '
                'train_cfg=dict(by_epoch=True, max_epochs=...).')

    def run_epoch(self) -> None:
        """Call the hooks of an epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainingFreeConstructor:
    """Gives the runner, which insists on one, an optimiser of nothing.

    Args:
        optim_wrapper_cfg, paramwise_cfg: Not used.
    """

    def __init__(self, optim_wrapper_cfg: dict,
                 paramwise_cfg: dict | None = None) -> None:
        pass

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Torch refuses an empty list, but not an empty group."""
        return OptimWrapper(SGD([dict(params=[])], lr=0.))
