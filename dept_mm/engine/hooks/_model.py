"""Access to the model that a runner trains or tests."""
from __future__ import annotations

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def unwrapped_model(runner: Runner) -> nn.Module:
    """Return the model itself, without a DDP wrapper around it."""
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def text_backbone(runner: Runner) -> nn.Module | None:
    """Return the backbone if it scores a vocabulary (a list of class names),
    else None.

    MMPretrain's own backbones score none, nor does an image tower on its own.
    """
    backbone = getattr(unwrapped_model(runner), 'backbone', None)
    scores = getattr(backbone, 'vocabulary', None) is not None
    return backbone if scores else None
