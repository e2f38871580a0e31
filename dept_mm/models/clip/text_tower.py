"""The text tower with prompts."""
from __future__ import annotations

import torch
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip.text_engine import TextEngine
from dept_mm.models.clip.text_layout import context_order
from dept_mm.models.clip.tokens import ClassTokens
from dept_mm.structures import Prompts

POSITIONS = ('end', 'middle', 'front')


class TextTower:
    """Runs CLIP's text transformer on class sentences and prompts.

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

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings, without positions, ``(..., W)``."""
        return self.text.token_embedding(ids)

    def __call__(self, tokens: ClassTokens, prompts: Prompts,
                 position: str = 'end') -> Tensor:
        """Encode one sentence per class.

        Args:
            tokens (ClassTokens): ``C`` sentences.
            prompts (Prompts): What joins them.
            position (str): Where the context stands: ``'end'`` (the name
                comes last: context behind the start token), ``'middle'``
                (half before, half behind the name) or ``'front'`` (behind
                the name).

        Returns:
            Tensor: Un-normalised ``(C, D)``, or ``(B, C, D)`` where a prompt
            has an image axis.
        """
        if self.engine is None:
            return self.plain(tokens, prompts, position)
        return self._project(self.engine(tokens, prompts, position))

    def plain(self, tokens: ClassTokens, prompts: Prompts,
              position: str = 'end') -> Tensor:
        """The same without the engine: every class's whole sentence."""
        x, last = self._assemble(tokens, prompts, position)
        images = _count_images(prompts)
        if images is not None:
            last = last.repeat(images)
            x = x.expand(images, *x.shape[-3:]).flatten(0, 1)
        x, last, images = self._run(x, last, images, prompts, tokens.start)
        x = self._project(x[torch.arange(len(x), device=x.device), last])
        return x if images is None else x.unflatten(0, (images, -1))

    def _assemble(self, tokens: ClassTokens, prompts: Prompts,
                  position: str) -> tuple[Tensor, Tensor]:
        """Put context between the words; the input of the first block.

        Returns:
            tuple[Tensor, Tensor]: ``(C, L, W)`` or ``(B, C, L, W)`` with
            positions added, and the slots ``(C, )`` of the token that
            carries the feature.
        """
        x = prompts.move(self.embed(tokens.ids))
        extra = 0
        if prompts.context is not None:
            context = prompts.context.to(x.dtype)
            extra = context.shape[-2]
            lead = torch.broadcast_shapes(context.shape[:-2], x.shape[:-2])
            both = torch.cat([x.expand(*lead, -1, -1),
                              context.expand(*lead, -1, -1)], dim=-2)
            order = context_order(tokens, extra, position)
            order = order[(None, ) * (len(lead) - 1)]
            x = torch.take_along_dim(both, order[..., None], dim=-2)
        dtype = self.text.transformer.get_cast_dtype()
        positions = self.text.positional_embedding[:x.shape[-2]]
        return x.to(dtype) + positions.to(dtype), self._last(tokens, extra)

    def _last(self, tokens: ClassTokens, extra: int) -> Tensor:
        """Slots ``(C, )`` of the token that carries the feature."""
        pool = self.text.pool_type
        if pool in ('argmax', 'eos'):
            return tokens.end + extra
        slot = 0 if pool == 'first' else tokens.ids.shape[1] + extra - 1
        return torch.full_like(tokens.end, slot)

    def _run(self, x: Tensor, last: Tensor, images: int | None,
             prompts: Prompts, start: int
             ) -> tuple[Tensor, Tensor, int | None]:
        """All blocks over ``x (N, L, W)``; ``N`` is ``C``, or ``B C``."""
        transformer = self.text.transformer
        context = start  # slot of the first context token
        for i, block in enumerate(transformer.resblocks):
            if i in prompts.inserted:
                given = prompts.inserted[i]
                given = given(x, last) if callable(given) else given
                if given.ndim == 4 and images is None:
                    images = len(given)
                    x, last = x.repeat(images, 1, 1), last.repeat(images)
                front, count = i in prompts.front, given.shape[-2]
                at = 0 if front else start
                x = _put(x, given, at)
                last = last + count * (last >= at)
                context += count
                start += count * front
            if i in prompts.deep:
                deep = prompts.deep[i]
                x = _put(x, deep, context, replace=deep.shape[-2])
            mask = self._mask(x)
            if transformer.batch_first:
                x = block(x, attn_mask=mask)
            else:
                x = block(x.transpose(0, 1), attn_mask=mask).transpose(0, 1)
        return x, last, images

    def _mask(self, x: Tensor) -> Tensor | None:
        """Additive mask of the current length; late prompts may exceed the
        context, which the tower's own mask does not cover."""
        if not self.causal:
            return None
        length = x.shape[1]
        if length <= self.context_length:
            return self.text.attn_mask[:length, :length]
        return nn.Transformer.generate_square_subsequent_mask(
            length, device=x.device, dtype=x.dtype)

    def _project(self, x: Tensor) -> Tensor:
        """Normalise and project the feature's token, ``(..., W)``."""
        x = self.text.ln_final(x)
        projection = self.text.text_projection
        if projection is None:
            return x
        if isinstance(projection, nn.Linear):
            return projection(x)
        return x @ projection


class OpaqueTextTower:
    """A text tower of another kind: it encodes sentences as they are.

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
        """Asked for by prompt learners only, like the two below.

        Raises:
            DeptError: Always.
        """
        raise self._refusal()

    num_layers = embed = width

    def _refusal(self) -> DeptError:
        return DeptError(
            f'The text tower of CLIP {self.name!r} '
            f'({type(self.model.text).__name__}) takes no prompts: it is not '
            "CLIP's own transformer. Zero-shot, linear probes and visual "
            'prompts work.')

    def __call__(self, tokens: ClassTokens, prompts: Prompts,
                 position: str = 'end') -> Tensor:
        """Encode one sentence per class to un-normalised ``(C, D)``."""
        if not prompts.empty:
            raise self._refusal()
        return self.model.encode_text(tokens.ids, normalize=False)


def make_text_tower(model: nn.Module, context_length: int, name: str
                    ) -> TextTower | OpaqueTextTower:
    """The way through the text tower of an open_clip model."""
    text = model.text
    if isinstance(text, TextTransformer) and text.cls_emb is None:
        return TextTower(text)
    return OpaqueTextTower(model, context_length, name)


def _is_causal(mask: Tensor | None) -> bool:
    """Whether a mask forbids exactly the positions ahead."""
    if mask is None:
        return False
    ahead = torch.ones_like(mask, dtype=torch.bool).triu(1)
    return bool((mask[ahead] == float('-inf')).all()
                and (mask[~ahead] == 0).all())


def _count_images(prompts: Prompts) -> int | None:
    """``B`` of the first prompt that has an image axis."""
    given = (prompts.context, *prompts.deep.values(),
             *prompts.inserted.values())
    return next((len(t) for t in given
                 if isinstance(t, Tensor) and t.ndim == 4), None)


def _put(x: Tensor, tokens: Tensor, slot: int, replace: int = 0) -> Tensor:
    """Put tokens at a slot of ``x (N, L, W)``, in place of the ``replace``
    tokens there."""
    tokens = tokens.to(x.dtype)
    if tokens.ndim == 4:
        tokens = tokens.expand(-1, len(x) // len(tokens), -1, -1).flatten(0, 1)
    elif tokens.ndim == 3 and len(tokens) not in (1, len(x)):
        tokens = tokens.repeat(len(x) // len(tokens), 1, 1)
    tokens = tokens.expand(len(x), -1, -1)
    return torch.cat([x[:, :slot], tokens, x[:, slot + replace:]], dim=1)
