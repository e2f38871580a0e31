"""Run GPT-2 with prompts."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.language.towers.base import LanguageTower, make_mask_bias


class GPT2Tower(LanguageTower):
    """GPT-2, a causal model with absolute positions.

    All tokens see the prompts, because these come first.
    """
    anchor = 'last'
    causal = True
    outputs = ('attn.c_proj', 'mlp.c_proj')

    def __init__(self, model: nn.Module) -> None:
        base = getattr(model, model.base_model_prefix, model)
        self.base, self.parts = base, (base, )
        self.blocks, self.words = base.h, base.wte
        self.max_length = base.wpe.num_embeddings

    def start(self, embeds: Tensor) -> Tensor:
        """Add position embeddings, then apply dropout."""
        place = torch.arange(embeds.shape[1], device=embeds.device)
        return self.base.drop(embeds + self.base.wpe(place)[None])

    def make_bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Hide padding and all later tokens."""
        size = mask.shape[1]
        before = torch.ones(size, size, dtype=torch.bool,
                            device=mask.device).tril()
        return make_mask_bias(mask[:, None, None] & before, dtype)

    def finish(self, hidden: Tensor) -> Tensor:
        """Apply the final norm."""
        return self.base.ln_f(hidden)
