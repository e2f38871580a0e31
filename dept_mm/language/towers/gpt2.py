"""GPT-2."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.language.towers.base import LanguageTower, hide


class GPT2Tower(LanguageTower):
    """GPT-2: absolute positions, causal.

    All tokens see the prompts, which stand before them.
    """
    anchor = 'last'
    causal = True

    def __init__(self, model: nn.Module) -> None:
        base = getattr(model, model.base_model_prefix, model)
        self.base = base
        self.blocks, self.words = base.h, base.wte
        self.max_length = base.wpe.num_embeddings

    def start(self, embeds: Tensor) -> Tensor:
        """Positions and dropout."""
        place = torch.arange(embeds.shape[1], device=embeds.device)
        return self.base.drop(embeds + self.base.wpe(place)[None])

    def bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Padding, and what comes later."""
        size = mask.shape[1]
        before = torch.ones(size, size, dtype=torch.bool,
                            device=mask.device).tril()
        return hide(mask[:, None, None] & before, dtype)

    def finish(self, hidden: Tensor) -> Tensor:
        """The final norm."""
        return self.base.ln_f(hidden)
