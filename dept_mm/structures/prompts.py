"""What a prompt learner gives to one tower of CLIP.

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
                      (MaPLe, deep VPT, PromptSRC). Text context must then
                      stand behind the start token.
``inserted[k]``       further tokens that join after block ``k`` (1-based:
                      ``k`` blocks have run) and stay (Late prompts). A
                      tensor, or a function of the hidden states.
====================  ====================================================

Shapes, with ``n`` tokens of width ``W``, ``C`` classes, ``B`` images:

* text ``context``, ``deep``, ``inserted``: ``(n, W)`` shared by all classes,
  ``(C, n, W)`` one per class, ``(B, 1, n, W)`` or ``(B, C, n, W)`` one per
  image; ``offset``: ``(T, W)`` or ``(C, T, W)`` for ``T`` own tokens.
* image: ``(n, W)`` shared, ``(B, n, W)`` one per image; ``offset``: ``(T,
  W)`` or ``(B, T, W)`` over class token and patches.
* a function in ``offset`` maps embeddings ``(C, T, W)`` or ``(B, T, W)``,
  without positions, to what is added. Equal tokens at one slot, all in the
  class name or none, must get equal offsets, or ``offset_shared`` be False
  (dropout): the text tower runs what all sentences begin with once.
* a function in ``inserted`` maps ``hidden (N, L, W)`` and ``last (N, )``,
  the slot of the token that carries the feature, to ``(N, n, W)``, or, in
  the text tower, ``(B, C, n, W)``; ``N`` is ``C`` or ``B C``.

In the text tower, inserted tokens go behind the start token, or those of the
``k`` in ``front`` before all others; in the image tower to the end. So the
token that carries the feature sees them under a causal mask, and the class
token keeps its slot.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from torch import Tensor

Offset = Tensor | Callable[[Tensor], Tensor]
Inserted = Tensor | Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Prompts:
    """Prompts of one tower; see the module's table. Default: none."""
    context: Tensor | None = None
    offset: Offset | None = None
    deep: Mapping[int, Tensor] = field(default_factory=dict)
    inserted: Mapping[int, Inserted] = field(default_factory=dict)
    front: Collection[int] = frozenset()
    offset_shared: bool = True

    @property
    def empty(self) -> bool:
        """Whether the tower runs as it is."""
        return (self.context is None and self.offset is None
                and not self.deep and not self.inserted)

    def move(self, own: Tensor) -> Tensor:
        """Embeddings ``(..., T, W)`` of own tokens with their offset."""
        offset = self.offset(own) if callable(self.offset) else self.offset
        return own if offset is None else own + offset.to(own.dtype)
