"""Divide data sets and draw few examples as the papers' public code does."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
import torch

from dept_mm.errors import DeptError

Share = float | int | None


def draw_part(total: int, part: tuple[Share, Share], seed: int) -> list[int]:
    """Return the shuffled indices of one part of a data set.

    The shuffle is that of the public code of Decomposed Prompt Tuning and
    ADePT.

    Args:
        total (int): Number of samples.
        part (tuple): Start and end, as fractions (floats) or counts.
        seed (int): Seed of the shuffle, 42 in the public code.
    """
    order = torch.randperm(
        total, generator=torch.Generator().manual_seed(seed)).tolist()
    start, stop = (int(at * total) if isinstance(at, float) else at
                   for at in part)
    return order[start:stop]


def draw_examples(labels: Sequence[Hashable], count: int, seed: int,
                  skip: int = 0) -> list[int]:
    """Draw examples so that the classes keep their frequencies.

    The draw is that of Late Prompt Tuning's public code, whose development
    examples are drawn from what the training examples leave.

    Args:
        labels (Sequence): The class of each sample.
        count (int): Number of examples.
        seed (int): Seed of the shuffle.
        skip (int): Number of examples that an earlier draw took. Defaults
            to 0.

    Returns:
        list[int]: Indices of the examples, in ascending order.

    Raises:
        DeptError: If a class has too few examples.
    """
    groups = _group(labels, np.random.RandomState(seed).permutation(
        len(labels)))
    sizes = [len(group) for group in groups.values()]
    taken = _apportion(sizes, skip)
    counts = _apportion([n - k for n, k in zip(sizes, taken, strict=True)],
                        count)
    chosen = []
    for (label, group), start, number in zip(groups.items(), taken, counts,
                                             strict=True):
        chosen += _take(label, group[start:], number)
    return sorted(chosen)


def draw_shots(labels: Sequence[Hashable], shots: int, seed: int
               ) -> list[int]:
    """Draw the same number of examples from each class.

    The order in which examples are taken is that of the public code of
    Decomposed Prompt Tuning. That code takes the last example from whatever
    class comes next, so that its classes may differ by one.

    Args:
        labels (Sequence): The class of each sample.
        shots (int): Number of examples per class.
        seed (int): Seed of the shuffle.

    Returns:
        list[int]: Indices of the examples, in ascending order.

    Raises:
        DeptError: If a class has too few examples.
    """
    groups = _group(labels, np.random.default_rng(seed).permutation(
        len(labels)))
    return sorted(i for label, group in groups.items()
                  for i in _take(label, group, shots))


def _group(labels: Sequence[Hashable], order: np.ndarray
           ) -> dict[Hashable, list[int]]:
    """Collect the indices of each class in the order given."""
    groups = defaultdict(list)
    for i in order.tolist():
        groups[labels[i]].append(i)
    return groups


def _apportion(sizes: Sequence[int], total: int) -> list[int]:
    """Divide ``total`` in proportion to ``sizes``; the last size gets what
    rounding leaves."""
    whole = sum(sizes)
    found = [round(total * n / whole) for n in sizes[:-1]]
    return [*found, total - sum(found)]


def _take(label: Hashable, group: list[int], number: int) -> list[int]:
    if len(group) < number:
        raise DeptError(f'{number} examples of class {label} were requested, '
                        f'but there are {len(group)}.')
    return group[:number]
