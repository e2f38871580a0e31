"""CLIP's text tower with places for prompts."""
from __future__ import annotations

import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip.blocks import comes_apart, whole_block
from dept_mm.models.clip.text_engine import TextEngine
from dept_mm.models.clip.tokens import ClassTokens
from dept_mm.models.clip.walk import NO_PARTS, Dense, join, walk
from dept_mm.structures import BlockParts, Prompts

POSITIONS = ('end', 'middle', 'front')


class TextTower:
    """Run CLIP's text transformer on class sentences with prompts.

    A plain class: it holds no parameters, only the way through them.

    Args:
        text (TextTransformer): open_clip's text tower.
    """

    def __init__(self, text: TextTransformer) -> None:
        self.text = text
        self.context_length = text.context_length
        self.width = text.width
        self.num_layers = len(text.transformer.resblocks)
        self.causal = _is_causal(text.attn_mask)
        # None where only the plain way is exact.
        self.engine = (TextEngine(text)
                       if self.causal and TextEngine.runs(text) else None)

    @property
    def takes_parts(self) -> bool:
        """Whether its blocks are CLIP's own, which ``BlockParts`` fit."""
        return all(map(comes_apart, self.text.transformer.resblocks))

    def embed(self, ids: Tensor) -> Tensor:
        """Return token embeddings ``(..., W)`` without positions."""
        return self.text.token_embedding(ids)

    def __call__(self, tokens: ClassTokens, prompts: Prompts,
                 position: str = 'end', states: list | None = None
                 ) -> Tensor:
        """Encode one sentence per class.

        Args:
            tokens (ClassTokens): ``C`` sentences.
            prompts (Prompts): What joins them.
            position (str): Where the context stands: ``'end'`` (the name
                comes last: context behind the start token), ``'middle'``
                (half before, half behind the name) or ``'front'`` (behind
                the name).
            states (list, optional): What ``prompts.read`` asks for is put
                into it.

        Returns:
            Tensor: Un-normalised ``(C, D)``, or ``(B, C, D)`` where a prompt
            has an image axis.
        """
        if self.engine is None:
            return self.plain(tokens, prompts, position, states)
        return (prompts.end or self.project)(
            self.engine(tokens, prompts, position, states))

    def plain(self, tokens: ClassTokens, prompts: Prompts,
              position: str = 'end', states: list | None = None) -> Tensor:
        """Encode whole sentences through open_clip's own blocks."""
        sentences = Dense(prompts.move(self.embed(tokens.ids)),
                          self._last(tokens), self._block, _at)
        join(sentences, prompts, tokens.start, position, tokens.name_end)
        x, dtype = sentences.x, self.text.transformer.get_cast_dtype()
        positions = self.text.positional_embedding[:x.shape[-2]]
        sentences.x = x.to(dtype) + positions.to(dtype)
        walk(sentences, self.text.transformer.resblocks, prompts,
             tokens.start, states)
        return (prompts.end or self.project)(sentences.read())

    def _last(self, tokens: ClassTokens) -> Tensor:
        """Return the slots ``(C, )`` of the tokens that carry the features."""
        pool = self.text.pool_type
        if pool in ('argmax', 'eos'):
            return tokens.end
        return torch.full_like(tokens.end, 0 if pool == 'first'
                               else tokens.ids.shape[1] - 1)

    def _block(self, block: nn.Module, x: Tensor, last: bool,
               parts: BlockParts) -> Tensor:
        """Run one block over all tokens of sentences ``(..., L, W)``."""
        mask = self._mask(x)
        if parts != NO_PARTS:
            return whole_block(block, x, parts, mask)
        y = x.flatten(0, -3)
        if self.text.transformer.batch_first:
            y = block(y, attn_mask=mask)
        else:
            y = block(y.transpose(0, 1), attn_mask=mask).transpose(0, 1)
        return y.reshape(x.shape)

    def _mask(self, x: Tensor) -> Tensor | None:
        """Return the additive mask for this length. Late prompts may exceed
        the context, which the tower's own mask does not cover."""
        if not self.causal:
            return None
        length = x.shape[-2]
        if length <= self.context_length:
            return self.text.attn_mask[:length, :length]
        return nn.Transformer.generate_square_subsequent_mask(
            length, device=x.device, dtype=x.dtype)

    def project(self, x: Tensor) -> Tensor:
        """Turn hidden states ``(..., W)`` of the last block into features
        ``(..., D)``: the final norm and the projection."""
        x = self.text.ln_final(x)
        projection = self.text.text_projection
        if projection is None:
            return x
        if isinstance(projection, nn.Linear):
            return projection(x)
        return x @ projection


class OpaqueTextTower:
    """Run a text tower that takes no prompts on plain sentences.

    Args:
        model (nn.Module): The open_clip model.
        context_length (int): Length of the ids it takes.
        name (str): The CLIP's name, for messages.
    """
    causal = False

    def __init__(self, model: nn.Module, context_length: int, name: str
                 ) -> None:
        self.model = model
        self.context_length = context_length
        self.name = name

    @property
    def width(self) -> int:
        """Refuse: only prompt learners ask for this and those below.

        Raises:
            DeptError: Always.
        """
        raise self._refusal()

    num_layers = embed = takes_parts = width

    def _refusal(self) -> DeptError:
        return DeptError(
            f'The text tower of CLIP {self.name!r} '
            f'({type(self.model.text).__name__}) takes no prompts: it is not '
            "CLIP's own transformer. Zero-shot, linear probes and visual "
            'prompts work.')

    def __call__(self, tokens: ClassTokens, prompts: Prompts,
                 position: str = 'end', states: list | None = None
                 ) -> Tensor:
        """Encode one sentence per class to un-normalised ``(C, D)``."""
        if not prompts.empty:
            raise self._refusal()
        return self.model.encode_text(tokens.ids, normalize=False)


def make_text_tower(model: nn.Module, context_length: int, name: str
                    ) -> TextTower | OpaqueTextTower:
    """Choose the tower class that fits an open_clip model."""
    text = model.text
    if isinstance(text, TextTransformer) and text.cls_emb is None:
        return TextTower(text)
    return OpaqueTextTower(model, context_length, name)


def _is_causal(mask: Tensor | None) -> bool:
    """Tell whether a mask forbids exactly the positions ahead."""
    if mask is None:
        return False
    ahead = torch.ones_like(mask, dtype=torch.bool).triu(1)
    return bool((mask[ahead] == float('-inf')).all()
                and (mask[~ahead] == 0).all())


def _at(x: Tensor, slots: Tensor) -> Tensor:
    """Select the tokens of ``x (..., C, L, W)`` at slots ``(C, )``."""
    slots = slots[:, None, None].expand(*x.shape[:-2], 1, x.shape[-1])
    return x.gather(-2, slots)[..., 0, :]
