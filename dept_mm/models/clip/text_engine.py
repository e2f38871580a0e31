"""A fast and exact way through a causal text tower."""
from __future__ import annotations

import torch
from open_clip.transformer import ResidualAttentionBlock, TextTransformer
from torch import Tensor

from dept_mm.models.clip.blocks import comes_apart
from dept_mm.models.clip.text_blocks import prefix_block, suffix_block
from dept_mm.models.clip.text_layout import Layout, Packing
from dept_mm.models.clip.tokens import ClassTokens
from dept_mm.models.clip.walk import NO_PARTS, Slot, join, put, walk
from dept_mm.structures.prompts import BlockParts, Prompts, axes_of


class TextEngine:
    """Compute each token once, and only if a feature depends on it.

    In a causal tower, exactly (gradients included):

    * nothing stands behind the end-of-text token;
    * what all sentences begin with (start token, context, words of the
      template) goes through the tower once, not once per class;
    * the classes' own tokens are packed, without padding; attention, which
      needs rectangles, pads classes of about equal length together;
    * the last block computes the end-of-text token only;
    * in training, the blocks below the first one that something learned
      enters run once for a class list.

    Args:
        text (TextTransformer): open_clip's text tower.
    """

    def __init__(self, text: TextTransformer) -> None:
        self.text = text

    @staticmethod
    def runs(text: TextTransformer) -> bool:
        """Tell whether the engine knows the blocks of a causal tower and its
        feature is at the end-of-text token."""
        return (text.pool_type in ('argmax', 'eos')
                and all(map(comes_apart, text.transformer.resblocks)))

    def __call__(self, tokens: ClassTokens, prompts: Prompts, position: str,
                 states: list | None = None) -> Tensor:
        """Compute hidden states of the end-of-text tokens.

        Args:
            tokens (ClassTokens): ``C`` sentences.
            prompts (Prompts): What joins them.
            position (str): Where the context stands.
            states (list, optional): See ``walk``.

        Returns:
            Tensor: ``(C, W)``, or ``(B, C, W)`` where a prompt has an image
            axis.
        """
        first, state = self._start(tokens, prompts, position)
        return self.run(first, state, prompts, tokens.start, states)

    def run(self, first: int, state: _State, prompts: Prompts, start: int,
            states: list | None = None) -> Tensor:
        """Run the blocks from ``first`` on; ``CompileHook`` compiles this.

        Args:
            first (int): How many blocks have run.
            state (_State): The hidden states behind them.
            prompts (Prompts): What joins later.
            start (int): Number of start tokens.
            states (list, optional): See ``walk``.
        """
        walk(state, self.text.transformer.resblocks, prompts, start, states,
             first=first)
        return state.x

    def _start(self, tokens: ClassTokens, prompts: Prompts, position: str
               ) -> tuple[int, _State]:
        """Return how many blocks have run already, and their hidden states.

        What is kept belongs to ``tokens``, which another class list or
        template replaces.
        """
        blocks = self.text.transformer.resblocks
        first = prompts.first_learned(len(blocks))
        if first == 0 or prompts.empty or not torch.is_grad_enabled():
            return 0, self.assemble(tokens, prompts, position)

        whole, rows = tokens.whole or (tokens, None)

        @torch.no_grad()
        def make() -> _State:
            state = self.assemble(whole, prompts, position)
            for block in blocks[:first]:
                state.run(block)
            return state

        kept = whole.hidden.get(make, key=(first, prompts.prefix_shared),
                                frozen=self.text.parameters())
        x, packing = kept.x, kept.packing
        if rows is not None:
            x, packing = packing.select(x, rows)
        return first, _State(kept.prefix, x, packing)

    def assemble(self, tokens: ClassTokens, prompts: Prompts,
                 position: str) -> _State:
        """Compute the input of the first block."""
        own = prompts.move(self.text.token_embedding(tokens.ids))
        layout = _layout(tokens, prompts.prefix_shared and not (
            isinstance(prompts.offset, Tensor)
            and 'class' in axes_of(prompts.offset)), position == 'end')
        state = _State(own[0, :layout.prefix], own.flatten(0, 1).index_select(
            0, layout.source), layout.packing)
        join(state, prompts, tokens.start, position, tokens.name_end)
        length = state.prefix.shape[-2]
        dtype = self.text.transformer.get_cast_dtype()
        positions = self.text.positional_embedding.to(dtype)
        state.prefix = state.prefix.to(dtype) + positions[:length]
        state.x = state.x.to(dtype) + positions[length + state.packing.slots]
        return state


class _State:
    """Hold the hidden states between two blocks: a prefix and suffixes.

    Args:
        prefix (Tensor): ``(..., P, W)``.
        x (Tensor): ``(..., T, W)``, packed suffixes.
        packing (Packing): Where the classes are in ``x``.
    """

    def __init__(self, prefix: Tensor, x: Tensor, packing: Packing) -> None:
        self.prefix = prefix
        self.x = x
        self.packing = packing

    def run(self, block: ResidualAttentionBlock, last: bool = False,
            parts: BlockParts = NO_PARTS) -> None:
        """Run one block; the last one computes end-of-text tokens alone."""
        block = parts.block or block
        self.prefix, seen = prefix_block(block, self.prefix, last, parts)
        self.x = suffix_block(block, self.x, seen, self.packing, last, parts)

    def put(self, tokens: Tensor, slot: Slot, replaced: int, name: str
            ) -> None:
        """Put tokens into every sentence; see ``walk``. Tokens that differ
        between classes end the prefix."""
        tokens, shared = _shared(tokens.to(self.x.dtype))
        length = self.prefix.shape[-2]
        # Slots that differ between classes are behind the prefix.
        start = length if isinstance(slot, Tensor) else slot
        stop = start + replaced
        if shared and stop <= length and not isinstance(slot, Tensor):
            self.prefix = put(self.prefix, tokens, slot, replaced)
            return
        if shared:
            tokens = tokens.unsqueeze(-3)
        if start < length:
            # The rest of the prefix follows what is one per class.
            rest = self.prefix[..., stop:, :].unsqueeze(-3)
            tokens = put(tokens, rest, tokens.shape[-2])
            self.prefix = self.prefix[..., :slot, :]
            replaced, length = max(0, stop - length), slot
        count = len(self.packing.lengths)
        tokens = tokens.expand(*tokens.shape[:-3], count, -1, -1)
        self.packing, self.x = self.packing.insert(
            self.x, tokens, slot, replaced, length)

    def take(self, slot: int, count: int) -> Tensor:
        """Return tokens, those of the prefix without a class axis of more
        than one."""
        if slot + count > self.prefix.shape[-2]:
            return self.whole()[0][..., slot:slot + count, :]
        found = self.prefix[..., slot:slot + count, :]
        return found if found.ndim == 2 else found.unsqueeze(-3)

    def whole(self) -> tuple[Tensor, Tensor]:
        """Return padded sentences ``(..., C, L, W)`` and the slots ``(...,
        C)`` of their ends."""
        prefix, x = self.prefix.unsqueeze(-3), self.packing.pad(self.x)
        x = put(x, prefix, 0)
        last = prefix.shape[-2] + self.packing.lengths - 1
        return x, last.expand(x.shape[:-2])

    def read(self) -> Tensor:
        """Return the end-of-text tokens ``(..., C, W)``."""
        if self.prefix is None:  # behind the last block
            return self.x
        return self.x.index_select(-2, self.packing.last)


def _shared(tokens: Tensor) -> tuple[Tensor, bool]:
    """Drop a class axis of length 1, and tell whether no other is left."""
    axes = axes_of(tokens)
    shape = tokens.shape[:len(axes)] + tokens.shape[-2:]
    return tokens.reshape(shape), 'class' not in axes


def _layout(tokens: ClassTokens, *options: bool) -> Layout:
    """Make the layout of a class list, once."""
    if options not in tokens.layouts:
        tokens.layouts[options] = Layout(tokens, *options)
    return tokens.layouts[options]
