"""Seconds, arithmetic and memory of a piece of work."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


class Part(NamedTuple):
    """Something that a piece of work does so many times."""
    run: Callable[[], object]
    times: float = 1.


Way = Sequence[Part]


class Cost(NamedTuple):
    """What a way of doing a piece of work takes."""
    seconds: float
    flops: float
    kept: float


def costs(ways: Sequence[Way], rounds: int, frozen: Iterable[Tensor],
          clock: Callable[[], float] = time.perf_counter) -> list[Cost]:
    """Measure several ways of the same work, in turns.

    Seconds are medians over the rounds, after one that only counts. A part
    runs once, and its cost is taken as often as it is done.

    Args:
        ways (Sequence[Way]): The ways.
        rounds (int): How often to time each.
        frozen (Iterable[Tensor]): What no way has to keep for itself.
        clock (Callable): Whose seconds. Defaults to those of the wall.
    """
    frozen = list(frozen)
    counts = [[count(part.run, frozen) for part in way] for way in ways]
    seconds = [[] for _ in ways]
    for _ in range(rounds):
        for way, found in zip(ways, seconds, strict=True):
            found.append(sum(part.times * _seconds(part.run, clock)
                             for part in way))
    return [Cost(median(s), *(sum(part.times * c[i] for part, c in zip(
        way, found, strict=True)) for i in range(2)))
        for way, found, s in zip(ways, counts, seconds, strict=True)]


def count(run: Callable[[], object], frozen: Iterable[Tensor] = ()
          ) -> tuple[int, int]:
    """Count the arithmetic of a run, and what it keeps for its backward.

    On the meta device as well, where nothing is computed.

    Returns:
        tuple[int, int]: Floating-point operations of matrix products and
        convolutions, two for a multiplication and an addition; and the bytes
        of all storages that autograd saves, each once, without the frozen.
    """
    # Not their addresses, which are all 0 on the meta device.
    known = {t.untyped_storage()._cdata for t in frozen}
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage.nbytes()
        # An output that is saved itself would hold its own graph.
        return tensor.detach()

    fast = torch.backends.mha.get_fastpath_enabled()
    # It hides its products from the counter.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FlopCounterMode(display=False) as counter, \
                saved_tensors_hooks(pack, lambda tensor: tensor):
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops(), sum(kept.values())


def products(weights: Sequence[Tensor], rows: int = 2048) -> Way:
    """The matrix products of linear layers and nothing else, as a way to
    measure a machine's own rate.

    Args:
        weights (Sequence[Tensor]): ``(out, in)`` of each layer.
        rows (int): Tokens.
    """
    pairs = [(torch.randn(rows, w.shape[1]).to(w), w) for w in weights]
    return [Part(torch.no_grad()(
        lambda: [F.linear(x, w) for x, w in pairs * 5]))]


def _seconds(run: Callable[[], object], clock: Callable[[], float]) -> float:
    """Time a run."""
    _wait()
    start = clock()
    run()
    _wait()
    return clock() - start


def _wait() -> None:
    """Until an accelerator has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
