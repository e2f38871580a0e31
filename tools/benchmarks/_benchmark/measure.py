"""Measure seconds, arithmetic and memory of a piece of work."""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.reports.counting import count


def add_clock(parser: argparse.ArgumentParser) -> None:
    """Add the option that :func:`choose_clock` reads."""
    parser.add_argument('--cpu-time', action='store_true',
                        help='seconds of the processor, with one thread, '
                        'where others use the machine')


def choose_clock(args: argparse.Namespace) -> Callable[[], float]:
    """Return the clock to measure with; that of the processor needs a single
    thread, which this sets."""
    if args.cpu_time:
        torch.set_num_threads(1)
    return time.process_time if args.cpu_time else time.perf_counter


class Part(NamedTuple):
    """A function, and how often a piece of work runs it."""
    run: Callable[[], object]
    times: float = 1.


Way = Sequence[Part]


class Cost(NamedTuple):
    """The cost of one way of doing a piece of work."""
    seconds: float
    flops: float
    kept: float


def measure_costs(ways: Sequence[Way], rounds: int, frozen: Iterable[Tensor],
          clock: Callable[[], float] = time.perf_counter) -> list[Cost]:
    """Measure several ways of the same work, in turns.

    Seconds are medians over the rounds, after one that only counts. A part
    runs once, with the backward passes in it, and its cost is taken as often
    as it is done.

    Args:
        ways (Sequence[Way]): The ways.
        rounds (int): How often to time each.
        frozen (Iterable[Tensor]): What no way has to keep for itself.
        clock (Callable): Whose seconds. Defaults to those of the wall.
    """
    frozen = list(frozen)
    counts = [[count(part.run, frozen)[0] for part in way] for way in ways]
    seconds = [[] for _ in ways]
    for _ in range(rounds):
        for way, found in zip(ways, seconds, strict=True):
            found.append(sum(part.times * _seconds(part.run, clock)
                             for part in way))
    return [Cost(median(s), *(
        sum(part.times * getattr(cost, what)
            for part, cost in zip(way, found, strict=True))
        for what in ('forward', 'kept')))
        for way, found, s in zip(ways, counts, seconds, strict=True)]


def multiply_weights(weights: Sequence[Tensor], rows: int = 2048) -> Way:
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
