"""An optimizer wrapper for bfloat16 mixed precision on any device."""
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
    """Runs the forward pass in bfloat16 autocast and keeps parameters in fp32.

    MMEngine's ``AmpOptimWrapper`` refuses to run on a CPU. bfloat16 has the
    range of fp32, so the loss needs no scaling. ``--amp`` of
    ``tools/train.py`` uses this wrapper where there is no GPU.

    Config::

        optim_wrapper = dict(
            type='BF16OptimWrapper', optimizer=dict(type='SGD', lr=0.002))
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast inside MMEngine's context for gradient accumulation."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
