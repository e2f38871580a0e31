"""Access to the parts of a runner: its model, and its hooks."""
from __future__ import annotations

from typing import TypeVar

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from dept_mm.errors import DeptError
from dept_mm.structures import Vocabulary

N = TypeVar('N', bound=nn.Module)
H = TypeVar('H', bound=Hook)


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


def read_vocabulary(loader: DataLoader) -> Vocabulary | None:
    """Return the classes of a loader's data set, or None if it names none."""
    meta = getattr(loader.dataset, 'metainfo', {})
    return Vocabulary.from_metainfo(meta) if meta.get('classes') else None


def require_neck(runner: Runner, kind: type[N], message: str) -> N:
    """Return the neck of the model.

    Raises:
        DeptError: With the message, if the neck is of another kind.
    """
    neck = getattr(unwrapped_model(runner), 'neck', None)
    if not isinstance(neck, kind):
        raise DeptError(message)
    return neck


def find_hook(runner: Runner, kind: type[H]) -> H | None:
    """Return the first hook of a kind, or None."""
    return next((h for h in runner.hooks if isinstance(h, kind)), None)
