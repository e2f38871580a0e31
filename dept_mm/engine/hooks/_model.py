"""Reaching the backbone of the model in a runner."""
from __future__ import annotations

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def unwrapped_model(runner: Runner) -> nn.Module:
    """The model itself, without DDP around it."""
    model = runner.model
    return model.module if is_model_wrapper(model) else model


def text_backbone(runner: Runner) -> nn.Module | None:
    """The backbone, if it scores a vocabulary: a stock one, and an image
    tower alone, have none."""
    backbone = getattr(unwrapped_model(runner), 'backbone', None)
    scores = getattr(backbone, 'vocabulary', None) is not None
    return backbone if scores else None
