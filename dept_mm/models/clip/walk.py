"""Follow the tokens of ``Prompts`` through a tower, step by step.

This is the one description of where the tokens of ``Prompts`` go. A
*follower* keeps a tower's tokens in a form of its own, and knows no slot but
the one that it is told. It has the methods of :class:`Dense`, the plainest
one; others are the text engine and the report of the layout.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from dept_mm.structures.prompts import BlockParts, Prompts, make_tokens

NO_PARTS = BlockParts()
Slot = int | Tensor  # for all inputs, or ``(C, )``, one per class


class Dense:
    """Hold the hidden states of whole inputs.

    Args:
        x (Tensor): ``(..., L, W)``.
        last (Tensor): Slots of the tokens that carry the features, as many
            as there are inputs ``(...)``, or classes.
        block (Callable): A block, ``x``, whether it is the last one, which
            may leave out what is never read, and the ``BlockParts`` to the
            next ``x``.
        read (Callable): ``x`` and ``last`` to what a learner may read.
    """

    def __init__(self, x: Tensor, last: Tensor, block: Callable,
                 read: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.x = x
        self.last = last
        self._block = block
        self._read = read

    def put(self, tokens: Tensor, slot: Slot, replaced: int, name: str
            ) -> None:
        """Put tokens at a slot, in place of ``replaced`` tokens there. The
        ``name`` is ``'context'`` or ``'inserted'``."""
        self.x = put(self.x, tokens, slot, replaced)
        behind = self.last >= slot + replaced
        self.last = self.last + (tokens.shape[-2] - replaced) * behind

    def take(self, slot: int, count: int) -> Tensor:
        """Return ``count`` tokens from a slot on, in the shape in which they
        can be put back."""
        return self.x[..., slot:slot + count, :]

    def whole(self) -> tuple[Tensor, Tensor]:
        """Return hidden states ``(..., L, W)`` and the slots ``(...)`` of the
        tokens that carry the features."""
        return self.x, self.last.expand(self.x.shape[:-2])

    def read(self) -> Tensor:
        """Return the hidden states that a learner may read; see ``Prompts``.
        """
        return self._read(self.x, self.last)

    def run(self, block: Any, last: bool, parts: BlockParts) -> None:
        """Go through one block, which may be the last."""
        self.x = self._block(parts.block or block, self.x, last, parts)


def join(follower, prompts: Prompts, own: int, position: str = 'end',
         name_end: Tensor | None = None) -> None:
    """Put the context into the embeddings of a tower's own tokens.

    Args:
        follower: Like :class:`Dense`; only ``put`` is called.
        prompts (Prompts): Gives the context.
        own (int): How many own tokens stand before it.
        position (str): How much of it stands there: ``'end'`` all,
            ``'middle'`` half of it, ``'front'`` none; see ``TextTower``.
        name_end (Tensor, optional): ``(C, )``, slots for the others.
    """
    count = prompts.num_context
    before = dict(end=count, middle=count // 2, front=0)[position]
    if before < count:
        follower.put(prompts.context[..., before:, :], name_end, 0, 'context')
    if before:
        follower.put(prompts.context[..., :before, :], own, 0, 'context')


def walk(follower, blocks: Sequence, prompts: Prompts, own: int,
         states: list | None = None, end: bool = False, first: int = 0
         ) -> None:
    """Go through the blocks of a tower.

    Args:
        follower: Like :class:`Dense`, at the input of block ``first``.
        blocks (Sequence): All blocks.
        prompts (Prompts): What joins on the way.
        own (int): How many own tokens stand before the context.
        states (list, optional): What ``prompts.read`` asks for is put into
            it, in the order of blocks.
        end (bool): Whether inserted tokens go to the end (image tower), or
            before the context. Defaults to False.
        first (int): How many blocks have run. Defaults to 0.
    """
    # Groups of tokens in the order in which they stand.
    names, counts = ['own', 'context'], [own, prompts.num_context]
    reads = [] if states is None else prompts.reads_after(len(blocks))
    for i in range(first, len(blocks)):
        if i in reads:
            states.append(follower.read())
        if i in prompts.inserted:
            given = prompts.inserted[i]
            if callable(given):
                given = make_tokens(given, *follower.whole())
            at = len(names) if end else names.index('own') + 1
            at = 0 if i in prompts.front else at
            follower.put(given, sum(counts[:at]), 0, 'inserted')
            names.insert(at, 'inserted')
            counts.insert(at, given.shape[-2])
        if i in prompts.deep:
            given, at = prompts.deep[i], names.index('context')
            slot = sum(counts[:at])
            if callable(given):
                given = given(follower.take(slot, counts[at]))
            follower.put(given, slot, counts[at], 'context')
            counts[at] = given.shape[-2]
        follower.run(blocks[i], i == len(blocks) - 1,
                     prompts.parts.get(i, NO_PARTS))
    if len(blocks) in reads:
        states.append(follower.read())


def put(x: Tensor, tokens: Tensor, slot: Slot, replaced: int = 0) -> Tensor:
    """Put tokens ``(..., n, W)`` into ``x (..., L, W)`` at a slot, in place of
    ``replaced`` tokens there. Leading axes are broadcast."""
    tokens = tokens.to(x.dtype)
    # Unlike broadcast_shapes, this can be traced for batches of any size.
    lead = [b if a == 1 else a for a, b in zip_longest(
        *(reversed(t.shape[:-2]) for t in (x, tokens)), fillvalue=1)][::-1]
    x, tokens = (t.expand(*lead, -1, -1) for t in (x, tokens))
    if not isinstance(slot, Tensor):
        return torch.cat([x[..., :slot, :], tokens,
                          x[..., slot + replaced:, :]], dim=-2)
    length, count, slot = x.shape[-2], tokens.shape[-2], slot[:, None]
    to = torch.arange(length + count - replaced, device=slot.device)
    old = torch.where(to < slot, to, to + replaced - count)
    source = torch.where((to >= slot) & (to < slot + count),
                         length + to - slot, old)
    both = torch.cat([x, tokens], dim=-2)
    return both.take_along_dim(source.expand(*lead, -1)[..., None], dim=-2)
