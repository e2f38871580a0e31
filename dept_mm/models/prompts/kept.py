"""What learned offsets come to, once for a whole evaluation."""
from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.model import BaseModule
from torch import Tensor


class KeepsOffsets(BaseModule):
    """A module with a table of offsets that no input changes.

    In evaluation without gradients it is computed once, and again only if
    something it is made of has changed. It is no part of a checkpoint.
    """
    _kept: tuple[list, Tensor] | None = None

    def keep(self, make: Callable[..., Tensor], *given: Tensor) -> Tensor:
        """``make(*given)``, or what it returned before."""
        if self.training or torch.is_grad_enabled():
            return make(*given)
        state = [torch.is_autocast_enabled(kind) for kind in ('cpu', 'cuda')]
        state += [(t.data_ptr(), t._version) for t in (
            *self.parameters(), *self.buffers(), *given)]
        if self._kept is None or self._kept[0] != state:
            self._kept = state, make(*given)
        return self._kept[1]

    def train(self, mode: bool = True) -> KeepsOffsets:
        """Switch the mode; what was kept is dropped."""
        self._kept = None
        return super().train(mode)

    def _apply(self, fn: Callable, recurse: bool = True) -> KeepsOffsets:
        # Moved tensors may take the address of those they were made of.
        self._kept = None
        return super()._apply(fn, recurse)
