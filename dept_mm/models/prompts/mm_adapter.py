"""MultiModalAdapter: small adapters in upper blocks of both towers."""
from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.tokens import check_blocks
from dept_mm.registry import MODELS
from dept_mm.structures import BlockParts, Prompts, Vocabulary


@MODELS.register_module()
class MultiModalAdapter(BasePrompt):
    r"""Add bottlenecks to upper blocks, whose middle both towers share.

    "MMA: Multi-Modal Adapter for Vision-Language Models" (Yang et al., CVPR
    2024). To the output of a block with input :math:`x` it adds
    :math:`s U \, \text{ReLU}(S \, \text{ReLU}(D \, \text{LN}(x)))`, each map
    with a bias: :math:`D` and :math:`U` belong to the tower, :math:`S` to
    both. As in the public code, the gradients of the maps are not multiplied
    by the scale :math:`s`. Sentences are ``words`` and the class name.

    The bottlenecks are not linear, so they cannot be merged into CLIP.

    Args:
        clip (FrozenCLIP): Gives the sizes.
        vocabulary (Vocabulary): Not needed; learners all get it.
        width (int): Width of the bottleneck. Defaults to 32.
        first_block (int): First block with an adapter, counted from 1.
            Defaults to 5.
        scale (float): :math:`s`. Defaults to 0.001.
        words (str): Begin the sentence. Defaults to ``'a photo of a'``.

    Raises:
        DeptError: If a tower lacks the block, or has blocks that are not
            CLIP's own.

    Examples:
        >>> prompt = dict(type='MultiModalAdapter', width=32, first_block=5)
    """

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 width: int = 32, first_block: int = 5, scale: float = 0.001,
                 words: str = 'a photo of a') -> None:
        super().__init__()
        towers = clip.text_tower, clip.image_tower
        for tower in towers:
            check_blocks(self, 'first_block', first_block, clip, tower)
        self.first_block, self.scale = first_block, scale
        self.template = f'{words} {{}}.'
        dtype = clip.learned_dtype
        # Block number -> maps; towers may have different numbers of blocks.
        self.text, self.image = (nn.ModuleDict({
            str(n): Bottleneck(tower.width, width)
            for n in range(first_block, tower.num_layers + 1)}).to(dtype)
            for tower in towers)
        self.shared = nn.ModuleDict({
            n: _linear(width, width) for n in {**self.text, **self.image}}
        ).to(dtype)

    @property
    def settings(self) -> dict:
        """Which blocks are adapted, and the scale."""
        return dict(first_block=self.first_block, scale=self.scale,
                    template=self.template)

    def for_image(self) -> Prompts:
        """Return the adapters of the image tower."""
        return self._parts(self.image)

    def for_text(self, given: TextInput) -> Prompts:
        """Return the adapters of the text tower."""
        return self._parts(self.text)

    def _parts(self, own: nn.ModuleDict) -> Prompts:
        return Prompts(parts={int(n) - 1: BlockParts(beside=partial(
            bottleneck, self.shared[n], self.scale))
            for n, bottleneck in own.items()})


class Bottleneck(nn.Module):
    """The maps of one tower in one block.

    Args:
        width (int): Width of the tower, ``W``.
        inner (int): Width of the bottleneck.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.down = _linear(width, inner)
        self.up = _linear(inner, width)

    def forward(self, shared: nn.Linear, scale: float, x: Tensor) -> Tensor:
        """Compute what is added, from normalised tokens ``(..., W)``."""
        x = _ScaleGradient.apply(x, scale)
        for layer in self.down, shared:
            x = F.relu(_apply(layer, x))
        return _ScaleGradient.apply(scale * _apply(self.up, x), 1 / scale)


class _ScaleGradient(torch.autograd.Function):
    """Return a tensor as it is, and multiply its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None


def _linear(width: int, out: int) -> nn.Linear:
    """Make a layer that starts as in the public code."""
    layer = nn.Linear(width, out)
    nn.init.kaiming_normal_(layer.weight, mode='fan_out', nonlinearity='relu')
    nn.init.zeros_(layer.bias)
    return layer


def _apply(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a layer in the dtype of the tower's tokens."""
    return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))
