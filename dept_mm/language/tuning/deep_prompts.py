"""Learned tokens in front of every block."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.tuning.base import LanguageTuning
from dept_mm.registry import MODELS


@MODELS.register_module()
class DeepPrompts(LanguageTuning):
    """Put tokens in front of the input of every block, other ones each time.

    Prompts in all layers, as in "Prefix-Tuning" (Li and Liang, ACL 2021) and
    "P-Tuning v2" (Liu et al., ACL 2022). These learn a key and a value in
    place of each token; here the block computes both from one learned token,
    as in "Visual Prompt Tuning" (Jia et al., ECCV 2022), so that a token
    takes half the parameters. The tokens have no positions. In a model with a
    decoder they are in the encoder.

    Args:
        lm, parts: See ``LanguageTuning``.
        num_tokens (int): Tokens of each block. Defaults to 8.

    Raises:
        DeptError: If ``num_tokens`` is less than 1.

    Examples:
        >>> tuning = dict(type='DeepPrompts', num_tokens=8)
    """
    size = 'num_tokens'

    def __init__(self, lm: FrozenLanguageModel, parts: Sequence[nn.Module],
                 num_tokens: int = 8) -> None:
        super().__init__(lm, parts)
        if num_tokens < 1:
            raise DeptError(f'DeepPrompts: num_tokens is {num_tokens}; it '
                            'must be at least 1.')
        self.num_tokens = num_tokens
        self.tokens = nn.Parameter(.02 * torch.randn(
            len(lm.tower.blocks), num_tokens, lm.tower.width))

    @property
    def deep_tokens(self) -> Tensor:
        """The tokens ``(blocks, m, W)``."""
        return self.tokens
