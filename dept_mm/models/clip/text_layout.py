"""Which tokens of a class list are shared, and where the others are.

A causal tower gives equal hidden states to equal beginnings. So a list of
sentences is a *prefix*, the tokens that all of them begin with, and one
*suffix* per class, which ends with the end-of-text token. Suffixes differ in
length; they are *packed*: one row of tokens behind each other, no padding.
"""
from __future__ import annotations

import torch
from torch import Tensor

from dept_mm.models.clip.tokens import ClassTokens


class Packing:
    """Ragged suffixes of ``C`` classes, packed to ``T`` tokens.

    Args:
        lengths (Tensor): ``(C, )`` tokens per class, at least 1 each.

    Attributes:
        longest (int): ``S``.
        total (int): ``T``.
        last (Tensor): ``(C, )``, the place of each class's last token.
        real (Tensor): ``(C, S)``, which slots of the padded form hold a
            token.
    """

    def __init__(self, lengths: Tensor) -> None:
        self.lengths = lengths
        self.longest = int(lengths.max())
        self.ragged = bool((lengths != self.longest).any())
        ends = lengths.cumsum(0)
        self.total = int(ends[-1])
        self.starts = ends - lengths
        self.last = ends - 1
        slots = torch.arange(self.longest, device=lengths.device)
        self.real = slots < lengths[:, None]
        # The token of each slot, any token where none is; and the inverse.
        place = self.starts[:, None] + slots
        self._padded = place.clamp(max=self.total - 1).flatten()
        self._packed = self.real.flatten().nonzero()[:, 0]
        self._grown: dict[tuple, tuple[Packing, Tensor]] = {}

    def pad(self, x: Tensor) -> Tensor:
        """``(..., T, W)`` to ``(..., C, S, W)``."""
        if self.ragged:
            x = x.index_select(-2, self._padded)
        return x.unflatten(-2, (-1, self.longest))

    def pack(self, x: Tensor) -> Tensor:
        """``(..., C, S, W)`` to ``(..., T, W)``."""
        x = x.flatten(-3, -2)
        return x.index_select(-2, self._packed) if self.ragged else x

    def insert(self, x: Tensor, tokens: Tensor, at: int, replace: int
               ) -> tuple[Packing, Tensor]:
        """Put tokens into every suffix, in place of some that are there.

        Args:
            x (Tensor): ``(..., T, W)``.
            tokens (Tensor): ``(..., C, n, W)``.
            at (int): Slot of the first, counted from the suffix's start.
            replace (int): How many tokens are taken out there.

        Returns:
            tuple[Packing, Tensor]: The new packing and ``(..., T', W)``.
        """
        count = tokens.shape[-2]
        key = at, replace, count
        if key not in self._grown:
            self._grown[key] = self._grow(*key)
        packing, source = self._grown[key]
        lead = torch.broadcast_shapes(x.shape[:-2], tokens.shape[:-3])
        both = torch.cat([x.expand(*lead, -1, -1), tokens.flatten(
            -3, -2).expand(*lead, -1, -1)], dim=-2)
        return packing, both.index_select(-2, source)

    def _grow(self, at: int, replace: int, count: int
              ) -> tuple[Packing, Tensor]:
        """The packing after :meth:`insert`, and for each of its tokens the
        place in ``[old tokens, new tokens]``."""
        grown = Packing(self.lengths + count - replace)
        slots = torch.arange(grown.longest, device=self.lengths.device)
        old = self.starts[:, None] + torch.where(
            slots < at, slots, slots + replace - count)
        new = (self.total + slots - at
               + count * torch.arange(len(old), device=old.device)[:, None])
        source = torch.where((slots >= at) & (slots < at + count), new, old)
        return grown, source[grown.real]


class Layout:
    """Shared prefix and packed suffixes of sentences with context.

    Args:
        tokens (ClassTokens): ``C`` sentences.
        order (Tensor): ``(C, L)``, which slot of ``[own tokens, context]``
            stands where.
        num_context (int): ``n``, context tokens of each sentence.
        own_shared (bool): Whether equal own tokens have equal embeddings,
            where all are of the class name or none is.
        context_shared (bool): Whether all classes have the same context.
    """

    def __init__(self, tokens: ClassTokens, order: Tensor, num_context: int,
                 own_shared: bool, context_shared: bool) -> None:
        ids, own = tokens.ids, tokens.ids.shape[1]
        last = tokens.end + num_context
        equal = torch.zeros(own + num_context, dtype=torch.bool,
                            device=ids.device)
        if own_shared:
            # A word of the name may be moved where a template's is not.
            named = torch.arange(own, device=ids.device) < tokens.name_end[
                :, None]
            equal[:own] = ((ids == ids[:1]) & (named == named[:1])).all(0)
        equal[own:] = context_shared
        # A slot is shared if one and the same shared token is there.
        shared = equal[order[0]] & (order == order[:1]).all(0)
        length = int(shared.int().cumprod(0).sum())
        # The end-of-text token always belongs to the suffix.
        self.prefix = order[0, :min(length, int(last.min()))]
        self.packing = Packing(last + 1 - len(self.prefix))
        slots = torch.arange(order.shape[1], device=order.device)
        inside = (slots >= len(self.prefix)) & (slots <= last[:, None])
        label, self.slot = inside.nonzero(as_tuple=True)
        source = order[label, self.slot]
        self.has_context = bool((source >= own).any())
        # Into [own tokens of all classes, context (of all classes)].
        mine = 0 if context_shared else label * num_context
        self.source = torch.where(
            source < own, label * own + source,
            len(ids) * own + mine + source - own)


def context_order(tokens: ClassTokens, extra: int, position: str) -> Tensor:
    """Which slot of ``[own tokens, context]`` stands where, ``(C, L)``."""
    count, own = tokens.ids.shape
    slots = torch.arange(own, device=tokens.ids.device).expand(count, -1)
    context = torch.arange(own, own + extra, device=slots.device)
    # How many context tokens come before the words.
    front = dict(end=extra, middle=extra // 2, front=0)[position]
    # Sorting by the slot that comes next, context before own tokens, is the
    # insertion: context goes behind the start token or behind the name.
    place = torch.where(torch.arange(extra, device=slots.device) < front,
                        tokens.start, tokens.name_end[:, None])
    key = torch.cat([slots, place], dim=1) * 2
    key[:, :own] += 1
    both = torch.cat([slots, context.expand(count, -1)], dim=1)
    return both.gather(1, key.argsort(dim=1, stable=True))
