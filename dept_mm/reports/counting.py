"""Count the arithmetic of a computation and the memory that it keeps."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.backends import mha
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

_ATEN = torch.ops.aten
# Not every torch has counts of attention on a CPU; these are its own ones.
_ATTENTION = {
    _ATEN._scaled_dot_product_flash_attention_for_cpu:
        lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward:
        lambda grad, q, k, v, *_, **__: sdpa_backward_flop_count(
            grad, q, k, v),
}


class Cost(NamedTuple):
    """The cost of a forward and a backward pass.

    Attributes:
        forward (int): Floating-point operations of matrix products and
            convolutions, two for a multiplication and an addition.
        backward (int): The same of the backward pass.
        kept (int): Bytes held for the backward pass.
    """
    forward: int = 0
    backward: int = 0
    kept: int = 0

    def __sub__(self, other: Cost) -> Cost:
        return Cost(*(a - b for a, b in zip(self, other, strict=True)))


def count(run: Callable[[], Any], frozen: Iterable[Tensor] = ()
          ) -> tuple[Cost, Any]:
    """Count a forward pass, and the backward pass of what it returns.

    It counts on fake tensors and on the meta device as well, where nothing
    is computed.

    Args:
        run (Callable): The forward pass.
        frozen (Iterable[Tensor]): What is in memory without it, e.g. weights.

    Returns:
        tuple[Cost, Any]: The cost, and what ``run`` returned.
    """
    with counting_flop() as forward, counting_kept(frozen) as kept:
        out = run()
    roots = [leaf for leaf in tree_leaves(out)
             if isinstance(leaf, Tensor) and leaf.requires_grad]
    with counting_flop() as backward:
        if roots:
            torch.autograd.backward(roots, [*map(torch.ones_like, roots)])
    size = sum(storage.nbytes() for storage in kept.values())
    return Cost(forward.get_total_flops(), backward.get_total_flops(),
                size), out


@contextmanager
def counting_flop() -> Iterator[FlopCounterMode]:
    """Count with the fused layer of inference switched off, which would hide
    its products from the counter."""
    fast = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False,
                             custom_mapping=_ATTENTION) as counter:
            yield counter
    finally:
        mha.set_fastpath_enabled(fast)


@contextmanager
def counting_kept(frozen: Iterable[Tensor] = ()
                  ) -> Iterator[dict[int, torch.UntypedStorage]]:
    """Collect the storages that autograd holds on to, each once, by id."""
    # Addresses would not do: they are all 0 on the meta device.
    known = {id(s): s for s in (t.untyped_storage() for t in frozen)}
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in known:
            kept[id(storage)] = storage  # alive, or the id may recur
        # An output that is saved itself would hold its own graph.
        return tensor.detach()

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept
