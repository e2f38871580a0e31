"""Rows that prompts of a CLIP start from: words and hidden states."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.clip.tokens import Words
from dept_mm.models.prompts.initial import sample_rows
from dept_mm.structures import Prompts


def vocabulary_rows(clip: FrozenCLIP, count: int, seed: int) -> Tensor:
    """Embeddings of ``count`` different words, ``(count, W)``."""
    words = Words(clip.tokenizer)
    table = clip.text_tower.text.token_embedding.weight
    special = [*words.start, *words.end, words.pad]
    return sample_rows(table, count, seed, special)


@torch.no_grad()
def text_hidden(clip: FrozenCLIP, names: Sequence[str], template: str,
                layer: int) -> Tensor:
    """Hidden states ``(n, W)`` of class sentences after ``layer`` blocks,
    start tokens left out."""
    found, tokens = [], clip.tokenize(names, template)

    def note(hidden: Tensor, last: Tensor) -> Tensor:
        slots = torch.arange(hidden.shape[1], device=hidden.device)
        found.append(hidden[(slots >= tokens.start)
                            & (slots <= last[:, None])])
        return hidden[:, :1]

    clip.encode_text(tokens, Prompts(inserted={layer: note}))
    return found[0]


@torch.no_grad()
def image_hidden(clip: FrozenCLIP, layer: int) -> Tensor:
    """Hidden states ``(n, W)`` of the patches of an image in the mean
    colour."""
    found, side = [], clip.image_tower.image_size

    def note(hidden: Tensor, last: Tensor) -> Tensor:
        found.append(hidden[0, 1:])
        return hidden[:, :1]

    device = clip.model.logit_scale.device
    clip.encode_image(torch.zeros(1, 3, side, side, device=device),
                      Prompts(inserted={layer: note}))
    return found[0]
