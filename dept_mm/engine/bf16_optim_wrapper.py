"""Mixed precision that runs on any device."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner.amp import autocast
from torch import nn

from dept_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BF16OptimWrapper(OptimWrapper):
    """bfloat16 autocast around the forward pass, parameters in fp32.

    mmengine's ``AmpOptimWrapper`` refuses CPUs. bfloat16 has the range of
    fp32, so there is no loss to scale and nothing else to do.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, inside mmengine's context of gradient accumulation."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
