"""Encoders of the BERT family."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.language.towers.base import LanguageTower


class BERTTower(LanguageTower):
    """BERT: absolute positions from 0, the norm comes with the embeddings.

    Prompts of the input take positions and shift the tokens; late ones have
    none.
    """
    first_position = 0

    def __init__(self, model: nn.Module) -> None:
        base = getattr(model, model.base_model_prefix, model)
        self.embeddings = base.embeddings
        self.blocks = base.encoder.layer
        self.words = self.embeddings.word_embeddings
        positions = self.embeddings.position_embeddings.num_embeddings
        self.max_length = positions - self.first_position

    def start(self, embeds: Tensor) -> Tensor:
        """Positions, token types, norm and dropout."""
        place = torch.arange(embeds.shape[1], device=embeds.device)
        return self.embeddings(inputs_embeds=embeds,
                               position_ids=place[None] + self.first_position)


class RoBERTaTower(BERTTower):
    """RoBERTa: positions start behind that of padding."""

    def __init__(self, model: nn.Module) -> None:
        self.first_position = model.config.pad_token_id + 1
        super().__init__(model)
