"""A training loop for methods that need no gradients."""
from __future__ import annotations

from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import nn
from torch.optim import SGD

from dept_mm.errors import DeptError
from dept_mm.registry import LOOPS, OPTIM_WRAPPER_CONSTRUCTORS


@LOOPS.register_module()
class TrainingFreeLoop(EpochBasedTrainLoop):
    """Runs the hooks of training without any training step.

    It serves models that hooks prepare, such as Tip-Adapter. An epoch loads no
    data and only calls the hooks before and after it. Afterwards, the model is
    saved and validated as after any other epoch.

    Config::

        train_cfg = dict(type='TrainingFreeLoop', max_epochs=1)
        optim_wrapper = dict(constructor='TrainingFreeConstructor')

    Args:
        *args, **kwargs: Passed to MMEngine's ``EpochBasedTrainLoop``.

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
        """Call the hooks of one epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainingFreeConstructor:
    """Builds an optimizer without parameters, since the runner insists on one.

    Args:
        optim_wrapper_cfg, paramwise_cfg: Ignored; MMEngine passes them to any
            constructor.
    """

    def __init__(self, optim_wrapper_cfg: dict,
                 paramwise_cfg: dict | None = None) -> None:
        pass

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build it with an empty group, as torch refuses an empty list."""
        return OptimWrapper(SGD([dict(params=[])], lr=0.))
