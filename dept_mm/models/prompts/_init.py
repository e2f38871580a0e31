"""Learned tokens: where they start from, and how deep ones stack."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.structures import Prompts

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


def deep_tokens(clip: FrozenCLIP, tower, count: int, depth: int
                ) -> nn.ParameterList:
    """``depth`` parameters ``(count, W)`` for a tower's first blocks."""
    check_depth(clip, tower, depth)
    return nn.ParameterList(
        noise(count, tower.width, dtype=clip.learned_dtype)
        for _ in range(depth))


def deep_prompts(tokens: Sequence[Tensor]) -> Prompts:
    """Tokens of the first block as context, the others from block to
    block."""
    return Prompts(context=tokens[0], deep=dict(enumerate(tokens[1:], 1)))
