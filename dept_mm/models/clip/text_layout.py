"""Split class sentences into a shared prefix and packed suffixes.

A causal tower gives equal hidden states to equal beginnings. So a list of
sentences is a *prefix*, the tokens that all of them begin with, and one
*suffix* per class, which ends with the end-of-text token. Suffixes differ in
length; they are *packed*: one row of tokens behind each other, no padding.
"""
from __future__ import annotations

import torch
from torch import Tensor

from dept_mm.models.clip.text_groups import LengthGroups
from dept_mm.models.clip.tokens import ClassTokens


class Packing:
    """Pack ragged suffixes of ``C`` classes into ``T`` tokens.

    Args:
        lengths (Tensor): ``(C, )`` tokens per class, at least 1 each.

    Attributes:
        longest (int): ``S``.
        total (int): ``T``.
        last (Tensor): ``(C, )``, the place of each class's last token.
        real (Tensor): ``(C, S)``, which slots of the padded form hold a
            token.
        slots (Tensor): ``(T, )``, where in its suffix each token stands.
        groups (LengthGroups): Classes of about equal length.
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
        self.slots = slots.expand(len(lengths), -1)[self.real]
        self.groups = LengthGroups(lengths, self.starts)
        self._grown: dict[tuple, tuple[Packing, Tensor]] = {}

    def pad(self, x: Tensor) -> Tensor:
        """Pad ``(..., T, W)`` to ``(..., C, S, W)``."""
        if self.ragged:
            x = x.index_select(-2, self._padded)
        return x.unflatten(-2, (-1, self.longest))

    def pack(self, x: Tensor) -> Tensor:
        """Pack ``(..., C, S, W)`` into ``(..., T, W)``."""
        x = x.flatten(-3, -2)
        return x.index_select(-2, self._packed) if self.ragged else x

    def select(self, x: Tensor, rows: Tensor) -> tuple[Tensor, Packing]:
        """Take the suffixes of some classes out of ``x (..., T, W)``.

        Returns:
            tuple[Tensor, Packing]: ``(..., T', W)`` and the new packing.
        """
        some = Packing(self.lengths[rows])
        x = self.pad(x).index_select(-3, rows)[..., :some.longest, :]
        return some.pack(x), some

    def insert(self, x: Tensor, tokens: Tensor, slot: int | Tensor,
               replace: int, prefix: int) -> tuple[Packing, Tensor]:
        """Put tokens into every suffix, in place of some that are there.

        Args:
            x (Tensor): ``(..., T, W)``.
            tokens (Tensor): ``(..., C, n, W)``.
            slot (int | Tensor): Slot of the first, or ``(C, )``.
            replace (int): How many tokens are taken out there.
            prefix (int): Slot of the suffix's start.

        Returns:
            tuple[Packing, Tensor]: The new packing and ``(..., T', W)``.
        """
        key = slot, replace, prefix, tokens.shape[-2]
        if key not in self._grown:
            self._grown[key] = self._grow(*key)
        packing, source = self._grown[key]
        lead = torch.broadcast_shapes(x.shape[:-2], tokens.shape[:-3])
        both = torch.cat([x.expand(*lead, -1, -1), tokens.flatten(
            -3, -2).expand(*lead, -1, -1)], dim=-2)
        return packing, both.index_select(-2, source)

    def _grow(self, slot: int | Tensor, replace: int, prefix: int, count: int
              ) -> tuple[Packing, Tensor]:
        """Compute the packing after :meth:`insert`, and where each of its
        tokens is in ``[old tokens, new tokens]``."""
        at = (slot[:, None] if isinstance(slot, Tensor) else slot) - prefix
        grown = Packing(self.lengths + count - replace)
        slots = torch.arange(grown.longest, device=self.lengths.device)
        old = self.starts[:, None] + torch.where(
            slots < at, slots, slots + replace - count)
        new = (self.total + slots - at
               + count * torch.arange(len(old), device=old.device)[:, None])
        source = torch.where((slots >= at) & (slots < at + count), new, old)
        return grown, source[grown.real]


class Layout:
    """Find the shared prefix and the packed suffixes of sentences.

    Args:
        tokens (ClassTokens): ``C`` sentences.
        shared (bool): Whether equal tokens have equal embeddings, where all
            are of the class name or none is.
        whole (bool): Whether the prefix may go beyond a class name, behind
            which no context is to stand then.

    Attributes:
        prefix (int): ``P``, how many tokens all sentences begin with; the
            end-of-text token is never one of them.
        source (Tensor): ``(T, )``, which of all ``C L`` tokens are packed.
        packing (Packing): Where they are then.
    """

    def __init__(self, tokens: ClassTokens, shared: bool, whole: bool
                 ) -> None:
        ids = tokens.ids
        stop = int((tokens.end if whole else tokens.name_end).min())
        slots = torch.arange(ids.shape[1], device=ids.device)
        # A word of the name may be moved where a template's is not.
        named = slots < tokens.name_end[:, None]
        equal = ((ids == ids[:1]) & (named == named[:1])).all(0)
        self.prefix = shared * int(equal[:stop].int().cumprod(0).sum())
        self.packing = Packing(tokens.end + 1 - self.prefix)
        inside = (slots >= self.prefix) & (slots <= tokens.end[:, None])
        self.source = inside.flatten().nonzero()[:, 0]
