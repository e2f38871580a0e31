"""Where learned tokens start from."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP

STD = 0.02


def noise(*shape: int, dtype: torch.dtype) -> nn.Parameter:
    """Tokens drawn from N(0, 0.02^2), as the public code of CoOp does."""
    return nn.Parameter(torch.empty(shape).normal_(std=STD).to(dtype))


def embeddings(clip: FrozenCLIP, words: str) -> Tensor:
    """Token embeddings of words, ``(n, W)``, on the CPU in fp32."""
    return clip.embed_words(words).float().cpu()


def check_depth(clip: FrozenCLIP, tower, depth: int) -> None:
    """Refuse more prompted blocks than a tower has.

    Raises:
        DeptError: If it has fewer, or no tokens at all.
    """
    if not 1 <= depth <= tower.num_layers:
        raise DeptError(f'Prompts of depth {depth}: the '
                        f'{type(tower).__name__} of CLIP {clip.name!r} has '
                        f'{tower.num_layers} blocks.')
