"""Run the encoder of T5 with prompts."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.language.towers.base import LanguageTower, unwrap_hidden


class T5Tower(LanguageTower):
    """The encoder of T5, whose first block owns the relative position bias.

    Late prompt tokens take the positions before the first token, so the bias
    between the other tokens does not change.
    """
    outputs = ('SelfAttention.o', 'EncDecAttention.o', 'DenseReluDense.wo')

    def __init__(self, model: nn.Module) -> None:
        self.stack = getattr(model, 'encoder', model)
        self.parts = (self.stack, )
        self.blocks = self.stack.block
        self.words = self.stack.embed_tokens
        self.attention = self.blocks[0].layer[0].SelfAttention

    def start(self, embeds: Tensor) -> Tensor:
        """Apply dropout."""
        return self.stack.dropout(embeds)

    def make_bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Add the relative position bias to that of padding."""
        size = mask.shape[1]
        bias = self.attention.compute_bias(size, size, device=mask.device)
        return bias.to(dtype) + super().make_bias(mask, dtype)

    def step(self, block: nn.Module, hidden: Tensor, bias: Tensor) -> Tensor:
        """Run one block; every block gets the same position bias."""
        return unwrap_hidden(block(hidden, position_bias=bias))

    def finish(self, hidden: Tensor) -> Tensor:
        """Apply the final norm and dropout."""
        return self.stack.dropout(self.stack.final_layer_norm(hidden))
