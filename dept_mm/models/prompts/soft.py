"""Soft prompts: learned tokens before the input."""
from __future__ import annotations

from mmengine.model import BaseModule
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.prompts.initial import start_rows
from dept_mm.registry import MODELS


@MODELS.register_module()
class SoftPrompt(BaseModule):
    r"""Prompt tuning: :math:`X' = [P; E]` with free tokens :math:`P`.

    "The Power of Scale for Parameter-Efficient Prompt Tuning" (Lester et
    al., EMNLP 2021).

    Args:
        embed_dims (int): ``W``, width of a token.
        num_tokens (int): ``m``; 0 is legal, for a method that has more.
        init (Tensor | float, optional): Rows ``(n, W)`` to start from,
            repeated or cut to ``m``, or the deviation of noise around 0.
            Defaults to noise of 0.02.

    Raises:
        DeptError: If ``num_tokens`` is negative or the rows do not fit.
    """

    def __init__(self, embed_dims: int, num_tokens: int,
                 init: Tensor | float | None = None) -> None:
        super().__init__()
        if num_tokens < 0:
            raise DeptError(f'num_tokens is {num_tokens}; it must be at '
                            'least 0.')
        self.num_tokens = num_tokens
        # Nothing to learn in nothing: DDP would wait for its gradient.
        self.prompt_tokens = nn.Parameter(
            start_rows(init, num_tokens, embed_dims),
            requires_grad=num_tokens > 0)

    @property
    def settings(self) -> dict:
        """What its tensors mean, where shapes do not tell; JSON types."""
        return {}

    def tokens(self) -> Tensor:
        """``(m, W)``, to stand before the input's own tokens."""
        return self.prompt_tokens

    def offset(self, embeds: Tensor, place: Tensor,
               scope: Tensor | None = None) -> Tensor | None:
        """What is added to the input's own tokens: nothing.

        Args:
            embeds (Tensor): Token embeddings ``(..., S, W)`` without
                positions.
            place (Tensor): ``(..., S)``, which token of the input each is,
                counted from 0 without prompts and padding.
            scope (Tensor, optional): ``(..., S)``, which tokens to move.
                Defaults to all.

        Returns:
            Tensor, optional: Broadcasts to ``embeds``; None is zero.
        """
        return None
