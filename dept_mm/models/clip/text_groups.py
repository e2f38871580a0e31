"""Group packed suffixes by length, so that attention pads few slots.

Attention is the one part of a block in which tokens of a class meet, and it
needs them in a rectangle. Most class names are short and a few are long, so
that one rectangle for all classes would be mostly padding.
"""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# What a group has to save, in slots: its operations take time to start.
MIN_SAVED = 128


class Group(NamedTuple):
    """Classes whose suffixes are padded to one length.

    Attributes:
        longest (int): ``S``, tokens of the longest.
        real (Tensor): ``(C, S)``, which slots hold a token.
    """
    longest: int
    real: Tensor


class LengthGroups:
    """Rearrange suffixes of ``C`` classes, packed in ``T`` tokens.

    Args:
        lengths (Tensor): ``(C, )`` tokens per class.
        starts (Tensor): ``(C, )``, where each class begins among the tokens.

    Attributes:
        groups (list[Group]): From short to long, ``C'`` classes each.
    """

    def __init__(self, lengths: Tensor, starts: Tensor) -> None:
        bounds = choose_lengths(lengths)
        member = torch.bucketize(lengths, lengths.new_tensor(bounds))
        self._rows = member.argsort(stable=True)
        self._counts = member.bincount().tolist()
        self._places = self._rows.argsort()
        self.groups, slots = [], []
        for longest, rows in zip(bounds, self._rows.split(self._counts),
                                 strict=True):
            slot = torch.arange(longest, device=lengths.device)
            self.groups.append(Group(longest, slot < lengths[rows][:, None]))
            # Where nothing is, any token.
            slots.append((starts[rows][:, None] + slot).flatten())
        self._padded = torch.cat(slots).clamp(max=int(lengths.sum()) - 1)
        real = torch.cat([group.real.flatten() for group in self.groups])
        self._equal = len(bounds) == 1 and bool(real.all())
        full = real.nonzero()[:, 0]
        self._packed = full[self._padded[full].argsort()]

    def pad(self, x: Tensor) -> list[Tensor]:
        """Divide ``(..., T, W)`` into a padded ``(..., C', S, W)`` for each
        group."""
        if not self._equal:
            x = x.index_select(-2, self._padded)
        sizes = [group.real.numel() for group in self.groups]
        return [part.unflatten(-2, (-1, group.longest)) for part, group
                in zip(x.split(sizes, -2), self.groups, strict=True)]

    def pack(self, parts: list[Tensor]) -> Tensor:
        """Join ``(..., C', S, W)`` of each group to ``(..., T, W)``."""
        if self._equal:
            return parts[0].flatten(-3, -2)
        x = torch.cat([part.flatten(-3, -2) for part in parts], -2)
        return x.index_select(-2, self._packed)

    def divide(self, x: Tensor) -> list[Tensor]:
        """Divide ``(..., C, W)``, a row per class, into ``(..., C', W)`` for
        each group."""
        return [*x.index_select(-2, self._rows).split(self._counts, -2)]

    def join(self, parts: list[Tensor]) -> Tensor:
        """Join ``(..., C', W)`` of each group to ``(..., C, W)``."""
        return torch.cat(parts, -2).index_select(-2, self._places)


def choose_lengths(lengths: Tensor) -> list[int]:
    """Choose the lengths of groups, so that few slots are padding.

    Args:
        lengths (Tensor): ``(C, )`` tokens per class.

    Returns:
        list[int]: Ascending lengths, the last one is that of the longest
        class. Each group but one saves at least ``MIN_SAVED`` slots.
    """
    found, counts = (t.tolist() for t in lengths.unique(return_counts=True))
    # The cheapest groups for the i shortest lengths: their cost and bounds.
    best: list[tuple[int, list[int]]] = [(0, [])]
    for i, length in enumerate(found, 1):
        best.append(min(
            (best[j][0] + MIN_SAVED + length * sum(counts[j:i]),
             [*best[j][1], length]) for j in range(i)))
    return best[-1][1]
