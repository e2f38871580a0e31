"""Keep a value between batches, and compute it again when it may have changed.
"""
from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

_KEEPING: ContextVar[bool] = ContextVar('keeping', default=True)


@contextmanager
def keeping_nothing() -> Iterator[None]:
    """Compute every value anew inside, e.g. on tensors without numbers."""
    token = _KEEPING.set(False)
    try:
        yield
    finally:
        _KEEPING.reset(token)


class Kept:
    """Keep one value until something that it was computed from changes.

    Everything that the package keeps between batches is kept here: the text
    classifier, merged offsets, hidden states below late prompts, and text
    features of the CLIP without prompts. The rule is the same for all. A
    value is used again if

    1. the tensors in ``learned`` hold the numbers it was made of. They are
       compared with a copy, because a write through ``.data``, as that of
       mmengine's ``EMAHook``, changes neither address nor version;
    2. the tensors in ``frozen`` lie in the same memory, with the same count
       of in-place writes. They are weights of a frozen model and too many
       to compare by content: moving, converting, loading and in-place
       operations are seen, a write through ``.data`` is not;
    3. ``key``, autocast (whether it is on, and its dtype) and inference mode
       are the same.

    A value that requires a gradient is never kept. Where gradients are
    enabled, a value without one contains nothing that requires one, so such
    tensors in ``learned`` are left out of the comparison.

    The comparison reads ``learned`` and its copy once, and on a GPU waits
    for it; these are some 10^4 to 10^7 numbers. Looking up the memory of the
    150 weights of a text tower takes less than a millisecond.
    """

    def __init__(self) -> None:
        self._state: tuple | None = None
        self._learned: list[Tensor] = []
        self._value: Any = None

    def get(self, make: Callable[[], Any], key: Hashable = None,
            learned: Iterable[Tensor] = (), frozen: Iterable[Tensor] = ()
            ) -> Any:
        """Return ``make()``, or what it returned before.

        Args:
            make (Callable): Computes the value. If that is no tensor, it must
                hold nothing that requires a gradient.
            key (Hashable): Anything else that the value depends on.
                Defaults to nothing else.
            learned (Iterable[Tensor]): Tensors that training changes.
            frozen (Iterable[Tensor]): Weights of a frozen model.
        """
        if not _KEEPING.get():
            return make()
        learned, frozen = list(learned), list(frozen)
        state = key, _mode((*learned, *frozen)), [_place(t) for t in frozen]
        if torch.is_grad_enabled():
            learned = [t for t in learned if not t.requires_grad]
        if state == self._state and _equal(learned, self._learned):
            return self._value
        copies = _copy(learned)
        value = make()
        if not getattr(value, 'requires_grad', False):
            self._state, self._learned, self._value = state, copies, value
        return value

    def __reduce__(self) -> tuple:
        # A copy of the owner computes its own value.
        return type(self), ()


def tensors_of(module: nn.Module) -> list[Tensor]:
    """List all parameters and buffers of a module."""
    return [*module.parameters(), *module.buffers()]


def _mode(tensors: Iterable[Tensor]) -> tuple:
    """Describe the state of torch that decides how these tensors are computed
    with."""
    kinds = sorted({t.device.type for t in tensors})
    return torch.is_inference_mode_enabled(), *(
        (kind, torch.get_autocast_dtype(kind)) for kind in kinds
        if torch.amp.is_autocast_available(kind)
        and torch.is_autocast_enabled(kind))


def _place(t: Tensor) -> tuple:
    """Describe where a tensor's numbers are and how often they were written.

    A weak reference keeps the address from being used again without keeping
    the memory.
    """
    version = None if t.is_inference() else t._version
    return StorageWeakRef(t.untyped_storage()), t.storage_offset(), version


def _copy(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [t.detach().clone() for t in tensors]


def _equal(a: list[Tensor], b: list[Tensor]) -> bool:
    """Whether two lists hold the same tensors, number by number; those on
    the meta device have no numbers."""
    return len(a) == len(b) and all(
        x.dtype == y.dtype and x.device == y.device and x.shape == y.shape
        and (x.is_meta or torch.equal(x, y))
        for x, y in zip(a, b, strict=True))
