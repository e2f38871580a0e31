"""CLIP-LoRA: low-rank changes of the attention of both towers."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.tokens import check_blocks, check_range
from dept_mm.registry import MODELS
from dept_mm.structures import BlockParts, Prompts, Vocabulary

PLACES = ('query', 'key', 'value', 'out')


@MODELS.register_module()
class CLIPLoRA(BasePrompt):
    r"""Learn low-rank changes of attention matrices in both towers.

    "Low-Rank Few-Shot Adaptation of Vision-Language Models" (Zanella and Ben
    Ayed, CVPR workshops 2024). A matrix :math:`W` of a block becomes
    :math:`W + \frac{\alpha}{\sqrt{r}} B A`. The public code divides
    :math:`\alpha` by the root of the rank; the paper writes :math:`\alpha /
    r`, which is ``alpha=1 / r**0.5`` here. Sentences are the data set's own.

    ``peft`` is not used: it replaces modules of a model, but this CLIP is
    shared by several models and read block by block. ``dept_mm.merge`` gives
    plain weights.

    Args:
        clip (FrozenCLIP): Gives the sizes.
        vocabulary (Vocabulary): Not needed; learners all get it.
        rank (int): :math:`r`. Defaults to 2.
        alpha (float): :math:`\alpha`. Defaults to 1.0.
        dropout (float): Share of the inputs of :math:`A` that are dropped in
            training. Defaults to 0.25.
        places (Sequence[str]): Which of ``'query'``, ``'key'``, ``'value'``
            and ``'out'`` change. Defaults to the first three.
        first_block (int): First block that changes, counted from 1.
            Defaults to 1.
        towers (Sequence[str]): ``'text'``, ``'image'``, or both, the default.

    Raises:
        DeptError: If an option is out of range, or a tower has blocks that
            are not CLIP's own, such as quantised ones.

    Examples:
        >>> prompt = dict(type='CLIPLoRA', rank=2)
    """
    template = None

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 rank: int = 2, alpha: float = 1.0, dropout: float = 0.25,
                 places: tuple[str, ...] = PLACES[:3], first_block: int = 1,
                 towers: tuple[str, ...] = ('text', 'image')) -> None:
        super().__init__()
        for name, given, known in (('places', places, PLACES),
                                   ('towers', towers, ('text', 'image'))):
            if not given or not set(given) <= set(known):
                raise DeptError(f'CLIPLoRA: {name}={given!r} must be some of '
                                f'{known}.')
        check_range('CLIPLoRA', 'dropout', dropout, 0, 1, 'it is a share')
        found = dict(text=clip.text_tower, image=clip.image_tower)
        for name in towers:
            check_blocks(self, 'first_block', first_block, clip, found[name])
            width = found[name].width
            check_range('CLIPLoRA', 'rank', rank, 1, width,
                        f'the {name} tower is {width} wide')
        self.first, self.scale = first_block - 1, alpha / rank**0.5
        for name in towers:
            tower = found[name]
            setattr(self, name, nn.ModuleList(nn.ModuleDict({
                place: LowRank(tower.width, rank, self.scale, dropout)
                for place in places})
                for _ in range(first_block, tower.num_layers + 1)
            ).to(clip.learned_dtype))
        self.towers = tuple(towers)

    @property
    def settings(self) -> dict:
        """The scale, and which blocks change."""
        return dict(first_block=self.first + 1, scale=self.scale)

    def for_image(self) -> Prompts:
        """Return the changes of the image tower."""
        return self._parts('image')

    def for_text(self, given: TextInput) -> Prompts:
        """Return the changes of the text tower."""
        return self._parts('text')

    def _parts(self, tower: str) -> Prompts:
        if tower not in self.towers:
            return Prompts()
        layers = getattr(self, tower)
        dropped = self.training and any(
            part.dropout for layer in layers for part in layer.values())
        return Prompts(parts={i: BlockParts(**layer) for i, layer
                              in enumerate(layers, self.first)},
                       prefix_shared=not dropped)

    @torch.no_grad()
    def merge_into(self, model: nn.Module) -> None:
        """Add the changes to the weights of an open_clip model, in place."""
        towers = dict(text=model.text, image=model.visual)
        for name in self.towers:
            blocks = towers[name].transformer.resblocks[self.first:]
            for block, parts in zip(blocks, getattr(self, name), strict=True):
                _merge_block(block.attn, parts)


class LowRank(nn.Module):
    """A product of two thin matrices.

    Args:
        width (int): ``W``.
        rank (int): Inner width.
        scale (float): Factor of the product.
        dropout (float): Share of inputs that are dropped in training.
    """

    def __init__(self, width: int, rank: int, scale: float, dropout: float
                 ) -> None:
        super().__init__()
        self.scale, self.dropout = scale, dropout
        self.down = nn.Parameter(torch.empty(rank, width))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)
        self.up = nn.Parameter(torch.zeros(width, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens ``(..., W)`` to ``(..., W)``."""
        x = F.dropout(x, self.dropout, self.training)
        # The factor goes where the tensor is small.
        down, up = self.down.to(x.dtype), (self.scale * self.up).to(x.dtype)
        return F.linear(F.linear(x, down), up)


def _merge_block(attention: nn.MultiheadAttention,
                 parts: Mapping[str, LowRank]) -> None:
    width = attention.embed_dim
    for place, part in parts.items():
        if place == 'out':
            weight = attention.out_proj.weight
        else:
            start = PLACES.index(place) * width
            weight = attention.in_proj_weight[start:start + width]
        weight += (part.scale * part.up @ part.down).to(weight.dtype)
