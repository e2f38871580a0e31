"""Run a frozen language model block by block, so that prompts can join it."""
from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

# Maps hidden states (B, T, W) to p late prompt tokens (B, p, W).
Late = Callable[[Tensor], Tensor]


class LanguageTower:
    """The embeddings, blocks and final norm of one family of models.

    A *tower* runs these parts in order and lets prompts join. Without
    prompts, its output equals that of the stock forward of transformers.
    Inputs must be padded on the right, so that the index of a token is its
    position; ``Tokens.compact`` moves other padding there. A family overrides
    :meth:`start`, :meth:`make_bias`, :meth:`step` and :meth:`finish` where it
    differs.

    Args:
        model (nn.Module): A model of transformers, with or without heads.

    Attributes:
        anchor (str): The token that has seen the whole input, ``'first'`` or
            ``'last'``.
        causal (bool): Whether a token sees only the tokens before it.
        blocks (nn.ModuleList): The transformer blocks.
        words (nn.Embedding): The table of token embeddings ``(V, W)``.
        max_length (int, optional): Number of positions, if it is limited.
        parts (tuple[nn.Module]): All modules that the tower runs.
        outputs (tuple[str]): How the names of the last layers of attentions
            and MLPs end.
    """
    anchor = 'first'
    causal = False
    blocks: nn.ModuleList
    words: nn.Embedding
    max_length: int | None = None
    parts: tuple[nn.Module, ...]
    outputs: tuple[str, ...]

    def __init__(self, model: nn.Module) -> None:
        raise NotImplementedError

    @property
    def width(self) -> int:
        """Width ``W`` of the hidden states."""
        return self.words.weight.shape[1]

    def start(self, embeds: Tensor) -> Tensor:
        """Turn token embeddings ``(B, T, W)`` into the input of the first
        block."""
        raise NotImplementedError

    def finish(self, hidden: Tensor) -> Tensor:
        """Apply what follows the last block, such as the final norm."""
        return hidden

    def make_bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """Make the bias that is added to attention scores.

        Args:
            mask (Tensor): ``(B, T)`` bool, False at padding.
            dtype (torch.dtype): Dtype of the hidden states.

        Returns:
            Tensor: ``(B, 1 or heads, 1 or T, T)``.
        """
        return make_mask_bias(mask[:, None, None], dtype)

    def step(self, block: nn.Module, hidden: Tensor, bias: Tensor) -> Tensor:
        """Run one block."""
        return unwrap_hidden(block(hidden, attention_mask=bias))

    def __call__(self, embeds: Tensor, mask: Tensor,
                 late: Mapping[int, Late] | None = None, frozen: int = 0,
                 deep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run the model.

        Args:
            embeds (Tensor): ``(B, T, W)``, with input prompts in front.
            mask (Tensor): ``(B, T)`` bool, True at prompts.
            late (Mapping, optional): Maps a number of blocks to the function
                that makes the late prompt tokens which join after them.
            frozen (int): Number of blocks to run without gradients.
                Defaults to 0.
            deep (Tensor, optional): ``(blocks, m, W)``, tokens that stand in
                front of the input of each block, in place of what the block
                before made of its own. Not together with ``late``.

        Returns:
            tuple[Tensor, Tensor]: Hidden states ``(B, T', W)`` and their
            mask, with late or deep prompt tokens in front.
        """
        wanted = torch.is_grad_enabled()
        with torch.set_grad_enabled(wanted and not frozen):
            hidden = self.start(embeds)
        if deep is not None:
            start = _expand(deep[0], hidden)
            hidden = torch.cat([start, hidden], 1)
            mask = torch.cat([mask.new_ones(start.shape[:2]), mask], 1)
        bias = self.make_bias(mask, hidden.dtype)
        for k, block in enumerate(self.blocks):
            if late and k in late:
                rows = late[k](hidden).to(hidden.dtype)
                hidden = torch.cat([rows, hidden], 1)
                mask = torch.cat(
                    [mask.new_ones(rows.shape[:2]), mask], 1)
                bias = self.make_bias(mask, hidden.dtype)
            if deep is not None and k:
                hidden = torch.cat([_expand(deep[k], hidden),
                                    hidden[:, deep.shape[1]:]], 1)
            with torch.set_grad_enabled(wanted and k >= frozen):
                hidden = self.step(block, hidden, bias)
        return self.finish(hidden), mask


def _expand(rows: Tensor, hidden: Tensor) -> Tensor:
    """Repeat rows ``(m, W)`` for each input."""
    return rows.to(hidden.dtype).expand(len(hidden), -1, -1)


def make_mask_bias(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """Make a bias that is 0 where attention is allowed, and the lowest number
    elsewhere."""
    bias = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
    return bias.masked_fill(~visible, torch.finfo(dtype).min)


def unwrap_hidden(output: Tensor | tuple) -> Tensor:
    """Return the hidden states; blocks of older transformers return tuples."""
    return output[0] if isinstance(output, tuple) else output
