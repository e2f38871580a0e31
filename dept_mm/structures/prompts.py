"""The prompts that a prompt learner gives to one tower of CLIP.

Everything that prompt learners of the field put into a tower, and where:

====================  ====================================================
``context``           learned tokens beside the tower's own. Text: after
                      the start token, around or after the class name
                      (``position`` of the learner). Image: appended, after
                      the positional embedding and before ``ln_pre``
                      (CoOp, CoCoOp, VPT, MaPLe, PromptSRC).
``offset``            added to the tower's own token embeddings before the
                      positional embedding; never to the context
                      (Decomposed and Adaptive-Decomposed prompts). A
                      tensor, or a function of the embeddings.
``deep[i]``           replaces the context at the input of block ``i``
                      (0-based, ``i >= 1``), without positional embedding
                      (MaPLe, deep VPT, PromptSRC); the first one joins if
                      there is none. Text context must then stand behind
                      the start token. A tensor, or a function of the
                      tokens ``(..., n, W)`` that it replaces (MMRL++).
``inserted[k]``       further tokens that join after block ``k`` (1-based:
                      ``k`` blocks have run) and stay (Late prompts). A
                      tensor, or a function of the hidden states.
``parts[i]``          additions inside block ``i`` (0-based), token by token,
                      or another block in its place (``TunedBlocks``);
                      see ``BlockParts`` (MultiModalAdapter, CLIP-LoRA).
``end``               what takes the place of the final norm and the
                      projection, on hidden states ``(..., W)`` of the token
                      that carries the feature (``TunedBlocks``).
``read``              nothing that goes in, but what the learner wants to
                      get back: hidden states after ``k`` blocks, for each
                      ``k`` in it; -1 is after the last block, before the
                      final norm and the projection (representation tokens
                      of MMRL, alignment of class tokens).
====================  ====================================================

Shapes, with ``n`` tokens of width ``W``, ``C`` classes, ``B`` images:

* text ``context``, ``deep``, ``inserted``: ``(n, W)`` shared by all classes,
  ``(C, n, W)`` one per class, ``(B, 1, n, W)`` or ``(B, C, n, W)`` one per
  image; ``offset``: ``(T, W)`` or ``(C, T, W)`` for ``T`` own tokens.
* image: ``(n, W)`` shared, ``(B, n, W)`` one per image; ``offset``: ``(T,
  W)`` or ``(B, T, W)`` over class token and patches.
* a function in ``offset`` maps embeddings ``(C, T, W)`` or ``(B, T, W)``,
  without positions, to what is added. Equal tokens at one slot, all in the
  class name or none, must get equal offsets. The text tower runs what all
  sentences begin with once; where random numbers should differ between
  classes (dropout), ``prefix_shared`` must be False.
* a function in ``inserted`` maps ``hidden (N, L, W)`` and ``last (N, )``,
  the slot of the token that carries the feature, to ``(N, n, W)``, or, in
  the text tower, ``(B, C, n, W)``; ``N`` is ``C`` or ``B C``.

In the text tower, inserted tokens go behind the start token, or those of the
``k`` in ``front`` before all others; in the image tower to the end. So the
token that carries the feature sees them under a causal mask, and the class
token keeps its slot.

What is read: in the text tower ``(C, W)`` or ``(B, C, W)``, the token that
carries the feature (of CLIP, the end-of-text token); in the image tower
``(B, 1 + n, W)``, the class token and behind it all ``n`` learned tokens that
have joined, in the order in which they stand: context, then inserted ones.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from dept_mm.errors import DeptError

Offset = Tensor | Callable[[Tensor], Tensor]
Inserted = Tensor | Callable[[Tensor, Tensor], Tensor]
Deep = Tensor | Callable[[Tensor], Tensor]


def axes_of(tokens: Tensor, image_tower: bool = False) -> tuple[str, ...]:
    """Name the axes that a prompt has before its last two.

    Axes are told by their number here and nowhere else. A class axis of
    length 1 is none: all classes share what is there.

    Args:
        tokens (Tensor): ``(..., n, W)``, or an offset ``(..., T, W)``.
        image_tower (bool): Whether it is for the image tower.

    Returns:
        tuple[str]: ``'image'``, ``'class'``, both in this order, or none.
    """
    lead = tokens.shape[:-2]
    if image_tower:
        return ('image', ) * len(lead)
    return (('image', ) * (len(lead) == 2)
            + ('class', ) * (len(lead) > 0 and lead[-1] != 1))


def make_tokens(make: Callable[[Tensor, Tensor], Tensor], hidden: Tensor,
                last: Tensor) -> Tensor:
    """Let a function of ``inserted`` make its tokens.

    What it makes for each row has the rows' axes, ``C``, ``B`` or ``B, C``,
    those of ``hidden (..., L, W)`` and ``last (...)``.
    """
    tokens = make(hidden.flatten(0, -3), last.flatten())
    if tokens.ndim > 3 or hidden.ndim == 3:
        return tokens
    return tokens.reshape(*hidden.shape[:-3], -1, *tokens.shape[-2:])


@dataclass(frozen=True)
class BlockParts:
    """What a learner adds inside one block of a tower, by default nothing.

    All are functions that treat each token ``(..., W)`` on its own, so that
    a tower may leave out tokens, pack them, or compute them once.

    Attributes:
        query, key, value (Callable, optional): Maps the normalised input of
            the block, ``ln_1(x)``, to what is added to the projections.
        out (Callable, optional): Maps what the heads found to what is added
            to their output projection.
        beside (Callable, optional): Maps ``ln_1(x)`` to what is added to the
            output of the block.
        block (nn.Module, optional): What takes the place of the block, a copy
            with other weights; the others add to it.
    """
    query: Callable[[Tensor], Tensor] | None = None
    key: Callable[[Tensor], Tensor] | None = None
    value: Callable[[Tensor], Tensor] | None = None
    out: Callable[[Tensor], Tensor] | None = None
    beside: Callable[[Tensor], Tensor] | None = None
    block: nn.Module | None = None


@dataclass(frozen=True)
class Prompts:
    """The prompts of one tower, as the table above lists them; by default
    none."""
    context: Tensor | None = None
    offset: Offset | None = None
    deep: Mapping[int, Deep] = field(default_factory=dict)
    inserted: Mapping[int, Inserted] = field(default_factory=dict)
    front: Collection[int] = frozenset()
    parts: Mapping[int, BlockParts] = field(default_factory=dict)
    prefix_shared: bool = True
    end: Callable[[Tensor], Tensor] | None = None
    read: Collection[int] = ()

    @property
    def empty(self) -> bool:
        """Whether the tower runs unchanged and nothing in it is read."""
        parts = (self.context, self.offset, self.end)
        return all(part is None for part in parts) and not (
            self.deep or self.inserted or self.parts or self.read)

    @property
    def num_context(self) -> int:
        """Number of context tokens in the first block."""
        return 0 if self.context is None else self.context.shape[-2]

    def offset_of(self, own: Tensor) -> Tensor | None:
        """Compute what is added to embeddings ``(..., T, W)`` of own tokens.
        """
        return self.offset(own) if callable(self.offset) else self.offset

    def move(self, own: Tensor) -> Tensor:
        """Add the offset to embeddings ``(..., T, W)`` of own tokens."""
        offset = self.offset_of(own)
        return own if offset is None else own + offset.to(own.dtype)

    def first_learned(self, blocks: int) -> int:
        """Return before which of a tower's blocks something first joins or is
        read; the hidden states there are those of the frozen tower. It is at
        most the last block, which computes what is read alone."""
        if self.context is not None or self.offset is not None:
            return 0
        return min([*self.deep, *self.inserted, *self.parts,
                    *self.reads_after(blocks), blocks - 1])

    def reads_after(self, blocks: int) -> list[int]:
        """List after how many of a tower's blocks something is read.

        Raises:
            DeptError: If the tower has fewer blocks.
        """
        for k in self.read:
            if not -1 <= k <= blocks:
                raise DeptError(
                    f'Prompts.read asks for hidden states after {k} blocks '
                    f'of a tower that has {blocks}; give 0 to {blocks}, or '
                    '-1 for all.')
        return sorted({blocks if k == -1 else k for k in self.read})
