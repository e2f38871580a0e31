"""A model wrapper for distributed tests, which need no synchronisation."""
from typing import Any

from mmengine.registry import MODEL_WRAPPERS
from torch import nn


@MODEL_WRAPPERS.register_module()
class EvalModelWrapper(nn.Module):
    """Wraps a model that several processes test, without synchronising
    anything.

    Testing needs no gradients, so every process can run its own copy. DDP
    would refuse a model without trainable parameters, such as zero-shot CLIP.
    The runner treats this wrapper like DDP: it saves and loads ``module``.
    ``tools/test.py`` sets it when it starts several processes. It is
    registered in MMEngine's root registry, where the runner looks up wrappers.

    Config::

        model_wrapper_cfg = dict(type='EvalModelWrapper')

    Args:
        module (nn.Module): The model.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs) -> Any:
        """Call the model."""
        return self.module(*args, **kwargs)

    def val_step(self, data: dict | tuple | list) -> list:
        """Predict for a batch of a validation loop."""
        return self.module.val_step(data)

    def test_step(self, data: dict | tuple | list) -> list:
        """Predict for a batch of a test loop."""
        return self.module.test_step(data)

    def train_step(self, *args, **kwargs) -> None:
        """Refuse to train, since the processes' parameters would drift apart.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError('EvalModelWrapper only tests a model; remove '
                           '`model_wrapper_cfg` from the config to train it')
