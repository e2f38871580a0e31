"""Run the models that share LLaMA's layout with prompts."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.language.towers.base import (
    LanguageTower,
    make_mask_bias,
    unwrap_hidden,
)


class LlamaTower(LanguageTower):
    """LLaMA, Mistral and Qwen2: causal models with rotary positions.

    Late prompt tokens take the positions before the first token. Rotary
    positions are relative, so attention between the other tokens does not
    change.
    """
    anchor = 'last'
    causal = True
    outputs = ('self_attn.o_proj', 'mlp.down_proj')

    def __init__(self, model: nn.Module) -> None:
        base = getattr(model, model.base_model_prefix, model)
        self.base, self.parts = base, (base, )
        self.blocks, self.words = base.layers, base.embed_tokens
        self.max_length = base.config.max_position_embeddings

    def start(self, embeds: Tensor) -> Tensor:
        """Return the embeddings; positions are added inside the blocks."""
        return embeds

    def make_bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Hide padding and all later tokens."""
        size = mask.shape[1]
        before = torch.ones(size, size, dtype=torch.bool,
                            device=mask.device).tril()
        return make_mask_bias(mask[:, None, None] & before, dtype)

    def step(self, block: nn.Module, hidden: Tensor, bias: Tensor) -> Tensor:
        """Run one block; some see only the last tokens before each one."""
        window, size = self._find_window(block), hidden.shape[1]
        place = torch.arange(size, device=hidden.device)
        if window is not None and window < size:
            near = place > place[:, None] - window
            bias = bias.masked_fill(~near, torch.finfo(bias.dtype).min)
        turn = self.base.rotary_emb(hidden, place[None])
        return unwrap_hidden(block(hidden, attention_mask=bias,
                                   position_ids=place[None],
                                   position_embeddings=turn))

    def _find_window(self, block: nn.Module) -> int | None:
        """Find how many tokens a block sees; None is all before."""
        # Mistral says it once for all blocks, Qwen2 for each of them.
        attention = block.self_attn
        return getattr(attention, 'sliding_window', getattr(
            self.base.config, 'sliding_window', None))

    def finish(self, hidden: Tensor) -> Tensor:
        """Apply the final norm."""
        return self.base.norm(hidden)
