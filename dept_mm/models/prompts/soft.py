"""Soft prompts: learned tokens in front of the input."""
from __future__ import annotations

from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.prompts.initial import start_rows
from dept_mm.models.prompts.module import PromptModule
from dept_mm.registry import MODELS


@MODELS.register_module()
class SoftPrompt(PromptModule):
    r"""Learn free tokens :math:`P` in front of the input, :math:`X' = [P; E]`.

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

    Examples:
        >>> prompt = dict(type='TowerPrompts', text=[
        ...     dict(type='SoftPrompt', num_tokens=4)])
    """
    size = 'num_tokens'

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

    def tokens(self) -> Tensor:
        """Return the tokens ``(m, W)``, which stand before the input's own."""
        return self.prompt_tokens
