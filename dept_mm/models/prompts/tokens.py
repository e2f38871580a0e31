"""Make learned tokens for the towers of a CLIP, and check that they fit."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.initial import word_rows
from dept_mm.structures import Prompts

STD = 0.02


def draw_noise(*shape: int, dtype: torch.dtype) -> nn.Parameter:
    """Draw tokens from N(0, 0.02^2), as the public code of CoOp does."""
    return nn.Parameter(torch.empty(shape).normal_(std=STD).to(dtype))


def start_context(learner: nn.Module, clip: FrozenCLIP, num_tokens: int,
                  words: str | None) -> nn.Parameter:
    """Make a context ``(n, W)`` from the embeddings of ``words``, or from
    ``num_tokens`` tokens of noise if that is None."""
    if words:
        return nn.Parameter(word_rows(clip, words).to(clip.learned_dtype))
    check_count(learner, 'num_tokens', num_tokens, clip)
    return draw_noise(num_tokens, clip.text_tower.width,
                      dtype=clip.learned_dtype)


def check_range(learner: str, option: str, value: int, low: int, high: int,
                why: str) -> None:
    """Refuse a value outside ``[low, high]``.

    Raises:
        DeptError: It names learner, option and range, and says why.
    """
    if not low <= value <= high:
        raise DeptError(f'{learner}: {option} is {value}; it must be '
                        f'between {low} and {high}: {why}.')


def check_count(learner: nn.Module, option: str, count: int, clip: FrozenCLIP
                ) -> None:
    """Refuse more text tokens than fit beside start, name and end."""
    length = clip.text_tower.context_length
    check_range(type(learner).__name__, option, count, 1, length - 3,
                f'the text tower of CLIP {clip.name!r} takes {length} tokens, '
                'three of them for start, class name and end')


def check_depth(learner: nn.Module, option: str, depth: int, clip: FrozenCLIP,
                tower) -> None:
    """Refuse more prompted blocks than a tower has.

    Raises:
        DeptError: If it has fewer, or no tokens at all.
    """
    check_range(type(learner).__name__, option, depth, 1, tower.num_layers,
                f'the {type(tower).__name__} of CLIP {clip.name!r} has '
                f'{tower.num_layers} blocks')


def check_blocks(learner: nn.Module, option: str, first: int,
                 clip: FrozenCLIP, tower) -> None:
    """Refuse a first block, counted from 1, that a tower lacks, and a tower
    inside whose blocks nothing can be added.

    Raises:
        DeptError: The message says which.
    """
    check_depth(learner, option, first, clip, tower)
    if not tower.takes_parts:
        raise DeptError(
            f'{type(learner).__name__} adds to the blocks of a transformer, '
            f'and those of the {type(tower).__name__} of CLIP {clip.name!r} '
            "are not open_clip's own in floating point (quantised ones are "
            'not): choose another CLIP, or a learner of tokens.')


def deep_tokens(clip: FrozenCLIP, tower, count: int, depth: int
                ) -> nn.ParameterList:
    """Make ``depth`` parameters ``(count, W)`` for a tower's first blocks."""
    return nn.ParameterList(
        draw_noise(count, tower.width, dtype=clip.learned_dtype)
        for _ in range(depth))


def deep_prompts(tokens: Sequence[Tensor]) -> Prompts:
    """Use the first block's tokens as context, which those of each further
    block replace."""
    return Prompts(context=tokens[0], deep=dict(enumerate(tokens[1:], 1)))
