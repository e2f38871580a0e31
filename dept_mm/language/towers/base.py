"""The loop over the blocks of a frozen language model."""
from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

# Maps hidden states (B, T, W) to rows (B, p, W) that join in front.
Late = Callable[[Tensor], Tensor]


class LanguageTower:
    """Embeddings, blocks and final norm of one family of models.

    Inputs are padded on the right, so that a slot is a position: of a batch
    padded otherwise, ``Tokens.compact`` moves the padding. A family says what
    differs: :meth:`start`, :meth:`bias`, :meth:`step` and :meth:`finish`.
    Numbers are those of the stock forward, which knows no prompts.

    Args:
        model (nn.Module): Of transformers, with or without its own heads.

    Attributes:
        anchor (str): Token that has seen the whole input, ``'first'`` or
            ``'last'``.
        causal (bool): Whether a token sees those before it only.
        blocks (nn.ModuleList): ``L`` of them.
        words (nn.Embedding): The table of token embeddings ``(V, W)``.
        max_length (int, optional): Positions there are.
    """
    anchor = 'first'
    causal = False
    blocks: nn.ModuleList
    words: nn.Embedding
    max_length: int | None = None

    def __init__(self, model: nn.Module) -> None:
        raise NotImplementedError

    @property
    def width(self) -> int:
        """``W``."""
        return self.words.weight.shape[1]

    def start(self, embeds: Tensor) -> Tensor:
        """What the first block gets, of token embeddings ``(B, T, W)``."""
        raise NotImplementedError

    def finish(self, hidden: Tensor) -> Tensor:
        """What follows the last block."""
        return hidden

    def bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """What is added to attention scores, ``(B, 1 or heads, 1 or T, T)``.

        Args:
            mask (Tensor): ``(B, T)`` bool, False at padding.
            dtype (torch.dtype): Of the hidden states.
        """
        return hide(mask[:, None, None], dtype)

    def step(self, block: nn.Module, hidden: Tensor, bias: Tensor) -> Tensor:
        """Run one block."""
        return first(block(hidden, attention_mask=bias))

    def __call__(self, embeds: Tensor, mask: Tensor,
                 late: Mapping[int, Late] | None = None, frozen: int = 0
                 ) -> tuple[Tensor, Tensor]:
        """Run the model.

        Args:
            embeds (Tensor): ``(B, T, W)``, prompts of the input in front.
            mask (Tensor): ``(B, T)`` bool, True at prompts.
            late (Mapping, optional): Number of blocks that run before ->
                what makes the rows that then join.
            frozen (int): So many blocks run without gradients.
                Defaults to 0.

        Returns:
            tuple[Tensor, Tensor]: Hidden states ``(B, T', W)`` and their
            mask, late rows in front of all.
        """
        wanted = torch.is_grad_enabled()
        with torch.set_grad_enabled(wanted and not frozen):
            hidden = self.start(embeds)
        bias = self.bias(mask, hidden.dtype)
        for k, block in enumerate(self.blocks):
            if late and k in late:
                rows = late[k](hidden).to(hidden.dtype)
                hidden = torch.cat([rows, hidden], 1)
                mask = torch.cat(
                    [mask.new_ones(rows.shape[:2]), mask], 1)
                bias = self.bias(mask, hidden.dtype)
            with torch.set_grad_enabled(wanted and k >= frozen):
                hidden = self.step(block, hidden, bias)
        return self.finish(hidden), mask


def hide(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a score counts, the lowest number where it does not."""
    bias = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return bias.masked_fill(~visible, torch.finfo(dtype).min)


def first(output: Tensor | tuple) -> Tensor:
    """The hidden states: blocks of older transformers return a tuple."""
    return output[0] if isinstance(output, tuple) else output
