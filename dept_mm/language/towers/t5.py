"""The encoder of T5."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.language.towers.base import LanguageTower, first


class T5Tower(LanguageTower):
    """T5's encoder: relative positions, whose table the first block owns.

    Late rows stand at the positions before the first one, so that the bias
    between tokens stays what it is.
    """

    def __init__(self, model: nn.Module) -> None:
        self.stack = getattr(model, 'encoder', model)
        self.blocks = self.stack.block
        self.words = self.stack.embed_tokens
        self.attention = self.blocks[0].layer[0].SelfAttention

    def start(self, embeds: Tensor) -> Tensor:
        """Dropout."""
        return self.stack.dropout(embeds)

    def bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Padding and relative positions."""
        size = mask.shape[1]
        bias = self.attention.compute_bias(size, size, device=mask.device)
        return bias.to(dtype) + super().bias(mask, dtype)

    def step(self, block: nn.Module, hidden: Tensor, bias: Tensor) -> Tensor:
        """Run one block; every one is given the bias."""
        return first(block(hidden, position_bias=bias))

    def finish(self, hidden: Tensor) -> Tensor:
        """The final norm and dropout."""
        return self.stack.dropout(self.stack.final_layer_norm(hidden))
