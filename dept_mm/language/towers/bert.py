"""Run the encoders of the BERT family with prompts."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.language.towers.base import LanguageTower


class BERTTower(LanguageTower):
    """BERT, which has absolute positions from 0 and normalises embeddings.

    Input prompts take up positions and so shift the tokens; late prompts have
    no positions.
    """
    first_position = 0
    outputs = ('output.dense', )

    def __init__(self, model: nn.Module) -> None:
        base = getattr(model, model.base_model_prefix, model)
        self.embeddings = base.embeddings
        self.parts = (base.embeddings, base.encoder)
        self.blocks = base.encoder.layer
        self.words = self.embeddings.word_embeddings
        positions = self.embeddings.position_embeddings.num_embeddings
        self.max_length = positions - self.first_position

    def start(self, embeds: Tensor) -> Tensor:
        """Add position and token type embeddings; apply norm and dropout."""
        place = torch.arange(embeds.shape[1], device=embeds.device)
        return self.embeddings(inputs_embeds=embeds,
                               position_ids=place[None] + self.first_position)


class RoBERTaTower(BERTTower):
    """RoBERTa, whose positions start after the index of the padding token."""

    def __init__(self, model: nn.Module) -> None:
        self.first_position = model.config.pad_token_id + 1
        super().__init__(model)
