"""The fast way through a causal text tower."""
from __future__ import annotations

import torch
from open_clip.transformer import ResidualAttentionBlock, TextTransformer
from torch import Tensor

from dept_mm.models.clip.blocks import comes_apart
from dept_mm.models.clip.text_blocks import prefix_block, suffix_block
from dept_mm.models.clip.text_layout import Layout, Packing, context_order
from dept_mm.models.clip.tokens import ClassTokens
from dept_mm.structures import Prompts


class TextEngine:
    """Does each token's work once, and only if the feature can see it.

    In a causal tower, exactly (gradients included):

    * nothing stands behind the end-of-text token;
    * what all sentences begin with (start token, context, words of the
      template) goes through the tower once, not once per class;
    * the classes' own tokens are packed, without padding;
    * the last block computes the end-of-text token only;
    * in training, the blocks below the first late prompt run once for a
      class list, if nothing learned enters them.

    Args:
        text (TextTransformer): open_clip's text tower.
    """

    def __init__(self, text: TextTransformer) -> None:
        self.text = text

    @staticmethod
    def runs(text: TextTransformer) -> bool:
        """Whether a causal tower has CLIP's own blocks, which this class
        takes apart, and its feature at the end-of-text token."""
        return (text.pool_type in ('argmax', 'eos')
                and all(map(comes_apart, text.transformer.resblocks)))

    def __call__(self, tokens: ClassTokens, prompts: Prompts, position: str
                 ) -> Tensor:
        """Hidden states of the end-of-text tokens.

        Args:
            tokens (ClassTokens): ``C`` sentences.
            prompts (Prompts): What joins them.
            position (str): Where the context stands.

        Returns:
            Tensor: ``(C, W)``, or ``(B, C, W)`` where a prompt has an image
            axis.
        """
        first, state = self._start(tokens, prompts, position)
        return self.run(first, state, prompts, tokens.start)

    def run(self, first: int, state: _State, prompts: Prompts, start: int
            ) -> Tensor:
        """The blocks from ``first`` on; what ``CompileHook`` compiles.

        Args:
            first (int): How many blocks have run.
            state (_State): The hidden states behind them.
            prompts (Prompts): What joins later.
            start (int): Number of start tokens.
        """
        blocks = self.text.transformer.resblocks
        slot = start  # of the first context token
        for i, block in enumerate(blocks[first:], first):
            if i in prompts.inserted:
                given = prompts.inserted[i]
                if callable(given):
                    given = given(*state.whole())
                    if given.ndim == 3:
                        lead = state.x.shape[:-2]
                        given = given.unflatten(0, (*lead, -1))
                front, count = i in prompts.front, given.shape[-2]
                state.put(given, 0 if front else start)
                slot += count
                start += count * front
            if i in prompts.deep:
                deep = prompts.deep[i]
                state.put(deep, slot, replace=deep.shape[-2])
            state.run(block, i == len(blocks) - 1)
        return state.x

    def _start(self, tokens: ClassTokens, prompts: Prompts, position: str
               ) -> tuple[int, _State]:
        """How many blocks have run, and the hidden states behind them.

        What is kept belongs to ``tokens``, which another class list or
        template replaces.
        """
        frozen = (prompts.context is None and prompts.offset is None
                  and not prompts.deep and prompts.inserted)
        if not frozen or not torch.is_grad_enabled():
            return 0, self._assemble(tokens, prompts, position)
        first = min(prompts.inserted)

        @torch.no_grad()
        def make() -> _State:
            state = self._assemble(tokens, prompts, position)
            for block in self.text.transformer.resblocks[:first]:
                state.run(block)
            return state

        kept = tokens.hidden.get(make, key=first,
                                 frozen=self.text.parameters())
        return first, _State(kept.prefix, kept.x, kept.packing)

    @staticmethod
    def layout(tokens: ClassTokens, prompts: Prompts, position: str
               ) -> Layout:
        """What is shared and what is not, in the first block."""
        offset, context = prompts.offset, prompts.context
        own, shared, extra = True, True, 0
        if offset is not None:
            own = (prompts.offset_shared if callable(offset)
                   else offset.ndim == 2)
        if context is not None:
            shared, extra = _shared(context)[1], context.shape[-2]
        return _layout(tokens, extra, position, own, shared)

    def _assemble(self, tokens: ClassTokens, prompts: Prompts,
                  position: str) -> _State:
        """The input of the first block."""
        layout = self.layout(tokens, prompts, position)
        own = prompts.move(self.text.token_embedding(tokens.ids))
        dtype = self.text.transformer.get_cast_dtype()
        context = prompts.context
        if context is not None:
            context, shared = _shared(context.to(own.dtype))
        prefix, x = own[0], own.flatten(0, 1)
        if context is not None and shared:
            prefix = _behind(prefix, context)
        if layout.has_context:
            x = _behind(x, context if shared else context.flatten(-3, -2))
        positions = self.text.positional_embedding.to(dtype)
        prefix = prefix.index_select(-2, layout.prefix).to(dtype)
        x = x.index_select(-2, layout.source).to(dtype)
        return _State(prefix + positions[:prefix.shape[-2]],
                      x + positions[layout.slot], layout.packing)


class _State:
    """Hidden states between two blocks.

    Args:
        prefix (Tensor): ``(..., P, W)``.
        x (Tensor): ``(..., T, W)``, packed suffixes.
        packing (Packing): Where the classes are in ``x``.
    """

    def __init__(self, prefix: Tensor, x: Tensor, packing: Packing) -> None:
        self.prefix = prefix
        self.x = x
        self.packing = packing

    def run(self, block: ResidualAttentionBlock, last: bool = False) -> None:
        """One block; the last one leaves end-of-text tokens alone."""
        self.prefix, seen = prefix_block(block, self.prefix, last)
        self.x = suffix_block(block, self.x, seen, self.packing, last)

    def put(self, tokens: Tensor, at: int, replace: int = 0) -> None:
        """Put tokens at a slot of every sentence, in place of ``replace``
        tokens there. What is one per class ends the prefix."""
        tokens, shared = _shared(tokens.to(self.x.dtype))
        stop, length = at + replace, self.prefix.shape[-2]
        if shared and stop <= length:
            lead = tokens.shape[:-2] or self.prefix.shape[:-2]
            head, tail = (t.expand(*lead, -1, -1) for t in (
                self.prefix[..., :at, :], self.prefix[..., stop:, :]))
            self.prefix = torch.cat(
                [head, tokens.expand(*lead, -1, -1), tail], dim=-2)
            return
        if shared:
            tokens = tokens.unsqueeze(-3)
        if at < length:
            # The rest of the prefix follows what is one per class.
            rest = self.prefix[..., stop:, :].unsqueeze(-3)
            lead = torch.broadcast_shapes(tokens.shape[:-2], rest.shape[:-2])
            tokens = torch.cat([t.expand(*lead, -1, -1)
                                for t in (tokens, rest)], dim=-2)
            self.prefix = self.prefix[..., :at, :]
            at, replace = 0, max(0, stop - length)
        else:
            at -= length
        count = len(self.packing.lengths)
        tokens = tokens.expand(*tokens.shape[:-3], count, -1, -1)
        self.packing, self.x = self.packing.insert(self.x, tokens, at,
                                                   replace)

    def whole(self) -> tuple[Tensor, Tensor]:
        """Padded sentences ``(N, L, W)``, and the slot ``(N, )`` of the last
        token of each; an image axis is first in ``N``."""
        x = self.packing.pad(self.x)
        lead = torch.broadcast_shapes(x.shape[:-2],
                                      (*self.prefix.shape[:-2], 1))
        prefix = self.prefix.unsqueeze(-3)
        x = torch.cat([t.expand(*lead, -1, -1) for t in (prefix, x)], dim=-2)
        last = self.prefix.shape[-2] + self.packing.lengths - 1
        return x.flatten(0, -3), last.expand(*lead).flatten()


def _shared(tokens: Tensor) -> tuple[Tensor, bool]:
    """Drop a class axis of length 1; say whether there is no other."""
    if tokens.ndim > 2 and tokens.shape[-3] == 1:
        tokens = tokens.squeeze(-3)
        return tokens, True
    return tokens, tokens.ndim == 2


def _behind(x: Tensor, tokens: Tensor) -> Tensor:
    """``x (T, W)`` and tokens ``(..., n, W)`` as ``(..., T + n, W)``."""
    return torch.cat([x.expand(*tokens.shape[:-2], -1, -1), tokens], dim=-2)


def _layout(tokens: ClassTokens, extra: int, position: str,
            own_shared: bool, context_shared: bool) -> Layout:
    """The layout of a class list; it is made once."""
    key = extra, position, own_shared, context_shared
    if key not in tokens.layouts:
        order = context_order(tokens, extra, position)
        tokens.layouts[key] = Layout(tokens, order, extra, own_shared,
                                     context_shared)
    return tokens.layouts[key]
