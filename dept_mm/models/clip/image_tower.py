"""CLIP's image tower with places for prompts."""
from __future__ import annotations

from collections.abc import Callable

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip.blocks import (
    comes_apart,
    finish,
    heads,
    project,
    whole_block,
)
from dept_mm.models.clip.spec import CLIPSpec
from dept_mm.models.clip.walk import NO_PARTS, Dense, join, walk
from dept_mm.structures import BlockParts, LowerStates, Prompts


class ImageTower:
    """Run open_clip's image tower, with prompts if it is a ViT.

    A plain class: it holds no parameters, only the way through them.

    Args:
        model (nn.Module): The open_clip model.
        spec (CLIPSpec): Sizes of the CLIP.
        name (str): The CLIP's name, for messages.
    """

    def __init__(self, model: nn.Module, spec: CLIPSpec, name: str) -> None:
        self.model = model
        self.visual = visual = model.visual
        self.image_size = spec.image_size
        self.name = name
        # A timm CNN pools globally and takes any size.
        self.fixed_size = isinstance(visual,
                                     (VisionTransformer, ModifiedResNet))
        self.pools_first = (
            getattr(visual, 'pool_type', None) == 'tok'
            and getattr(visual, 'attn_pool', None) is None)

    @property
    def width(self) -> int:
        """Width of its tokens."""
        return self._vit().conv1.out_channels

    @property
    def num_tokens(self) -> int:
        """Number of its own tokens: class token and patches."""
        return len(self._vit().positional_embedding)

    @property
    def num_layers(self) -> int:
        """Number of its blocks."""
        return len(self._vit().transformer.resblocks)

    @property
    def takes_parts(self) -> bool:
        """Whether its blocks are CLIP's own, which ``BlockParts`` fit."""
        return all(map(comes_apart, self._vit().transformer.resblocks))

    def __call__(self, images: Tensor | LowerStates, prompts: Prompts,
                 states: list | None = None) -> Tensor:
        """Encode ``images (B, 3, H, W)`` to ``(B, D)``.

        Args:
            images (Tensor | LowerStates): Normalised images, or what
                :meth:`below` makes of them.
            prompts (Prompts): What joins their tokens.
            states (list, optional): What ``prompts.read`` asks for is put
                into it.

        Raises:
            DeptError: If the image size is not the tower's, or a tower
                without tokens is given prompts.
        """
        if not isinstance(self.visual, VisionTransformer) and prompts.empty:
            return self.model.encode_image(self._check(images),
                                           normalize=False)
        return self._encode(images, prompts, self._block, states)

    @torch.no_grad()
    def below(self, images: Tensor, prompts: Prompts) -> Tensor | LowerStates:
        """Run the blocks that these prompts do not reach, once for all passes
        over the same images. There may be none."""
        first = 0 if prompts.empty else self.count_below(prompts)
        if first == 0:
            return images
        x = self._embed(images, Prompts())
        for block in self._vit().transformer.resblocks[:first]:
            x = self._block(block, x, False, NO_PARTS)
        return LowerStates(first, x)

    def count_below(self, prompts: Prompts) -> int:
        """Count the blocks that these prompts do not reach."""
        return prompts.first_learned(self.num_layers)

    def _check(self, images: Tensor) -> Tensor:
        """Refuse images of another size, and cast the others."""
        size = tuple(images.shape[-2:])
        if self.fixed_size and size != (self.image_size, ) * 2:
            raise DeptError(
                f'The image tower of CLIP {self.name!r} takes images of '
                f'{self.image_size} x {self.image_size} pixels, not '
                f'{size[0]} x {size[1]}; take the pipeline from the CLIP '
                "config (transforms with 'clip=').")
        return images.to(self._dtype())

    def plain(self, images: Tensor, prompts: Prompts,
              states: list | None = None) -> Tensor:
        """Encode through open_clip's own blocks, for all tokens."""
        def run(block: nn.Module, x: Tensor, last: bool, parts: BlockParts
                ) -> Tensor:
            return (block(x) if parts == NO_PARTS
                    else whole_block(block, x, parts))

        return self._encode(images, prompts, run, states)

    def with_patches(self, images: Tensor | LowerStates, prompts: Prompts,
                     states: list | None = None) -> tuple[Tensor, Tensor]:
        """Encode images, and each of their ``P`` patches on its own.

        A patch feature is what the last block makes of the patch where no
        token attends to others: its value in place of the attention ("Extract
        Free Dense Labels from CLIP", Zhou et al., ECCV 2022; GL-MCM, LoCoOp).

        Returns:
            tuple[Tensor, Tensor]: ``(B, D)`` and ``(B, P, D)``.

        Raises:
            DeptError: See ``__call__``; and if the tower is not CLIP's ViT.
        """
        own, kept = self.num_tokens, None
        if not comes_apart(self._vit().transformer.resblocks[-1]):
            raise DeptError(f'The image tower of CLIP {self.name!r} has '
                            'blocks of its own kind, which give no features '
                            'of patches; choose a ViT of CLIP.')

        def run(block: nn.Module, x: Tensor, is_last: bool, parts: BlockParts
                ) -> Tensor:
            nonlocal kept
            kept = block, x[:, 1:own], parts  # those of the last one stay
            return self._block(block, x, is_last, parts)

        feature = self._encode(images, prompts, run, states)
        last, patches, parts = kept
        normed = last.ln_1(patches)
        value = project(last, normed, parts)[2]
        return feature, (prompts.end or self.project)(
            finish(last, patches, normed, value, parts))

    def project(self, x: Tensor) -> Tensor:
        """Turn hidden states ``(..., W)`` of the last block into features
        ``(..., D)``: the final norm and the projection."""
        x = self.norm(x)
        return x if self.projection is None else x @ self.projection

    def norm(self, x: Tensor) -> Tensor:
        """Apply the final norm to ``(..., W)``."""
        return self._vit().ln_post(x)

    @property
    def projection(self) -> Tensor | None:
        """The matrix ``(W, D)`` that makes features; None is the identity."""
        return self._vit().proj

    def _vit(self) -> VisionTransformer:
        """Return the tower if it takes prompts."""
        if not isinstance(self.visual, VisionTransformer):
            raise DeptError(
                f'The image tower of CLIP {self.name!r} '
                f'({type(self.visual).__name__}) has no tokens: it takes no '
                'visual prompts, and there are none to read; choose a ViT or '
                'a text prompt learner.')
        return self.visual

    def _dtype(self) -> torch.dtype:
        """Return the dtype of the convolutions, which low precision casts."""
        return next(m.weight.dtype for m in self.visual.modules()
                    if isinstance(m, nn.Conv2d))

    def _embed(self, images: Tensor, prompts: Prompts) -> Tensor:
        """Compute the input ``(B, T, W)`` of the first block.

        Prompts go in after the positional embedding and before ``ln_pre``
        (DePT's hosts; spec of MaPLe and IVLP), which open_clip hides inside
        ``_embeds``.
        """
        visual, batch = self._vit(), images.shape[0]
        x = visual.conv1(self._check(images))
        x = x.flatten(2).transpose(1, 2)  # (B, T, W)
        start = visual.class_embedding.to(x.dtype).expand(batch, 1, -1)
        x = torch.cat([start, x], dim=1)
        x = prompts.move(x) + visual.positional_embedding.to(x.dtype)
        tokens = Dense(x, x.new_zeros(batch, dtype=torch.long), None, None)
        join(tokens, prompts, int(x.shape[1]))
        return visual.ln_pre(tokens.x)

    def _encode(self, images: Tensor | LowerStates, prompts: Prompts,
                run: Callable[..., Tensor], states: list | None) -> Tensor:
        """Run the blocks of open_clip's ViT with places for prompts."""
        first, x = (images if isinstance(images, LowerStates)
                    else (0, self._embed(images, prompts)))
        if first and not prompts.empty and first > self.count_below(prompts):
            raise DeptError(f'The hidden states are those behind {first} '
                            'blocks of the image tower, but something '
                            'learned enters before: give the model images.')
        visual, own = self._vit(), self.num_tokens
        blocks = visual.transformer.resblocks
        all_read = len(blocks) in prompts.reads_after(len(blocks))
        tokens = Dense(  # len(x) would be a constant of a traced graph
            x, x.new_zeros(x.shape[0], dtype=torch.long),
            lambda block, x, last, parts: run(
                block, x, last and not all_read, parts),
            lambda x, _: torch.cat([x[:, :1], x[:, own:]], dim=1))
        walk(tokens, blocks, prompts, own, states, end=True, first=first)
        if prompts.end is not None:
            return prompts.end(tokens.x[:, 0])
        pooled, _ = visual._pool(tokens.x[:, :own])
        return pooled if visual.proj is None else pooled @ visual.proj

    def _block(self, block: nn.Module, x: Tensor, last: bool,
               parts: BlockParts) -> Tensor:
        """Run one block over ``x (B, T, W)``; the last one
        computes the class token alone, where the feature is its own."""
        if not comes_apart(block):
            return block(x)
        normed, asking = block.ln_1(x), None
        if last and self.pools_first:
            x, asking = x[:, :1], normed[:, :1]
        q, k, v = (heads(t, block)
                   for t in project(block, normed, parts, asking))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return finish(block, x, normed if asking is None else asking, y,
                      parts)
