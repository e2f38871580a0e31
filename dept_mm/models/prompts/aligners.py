"""Maps of representation tokens into the blocks of a tower (MMRL)."""
from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FullAligner(nn.ModuleList):
    """Map tokens by a linear layer for each block, all of which start equal.

    Args:
        width (int): Width of the tokens.
        out (int): Width of the tower, ``W``.
        blocks (int): Number of blocks.
    """

    def __init__(self, width: int, out: int, blocks: int) -> None:
        first = nn.Linear(width, out)
        super().__init__(copy.deepcopy(first) for _ in range(blocks))

    def forward(self, tokens: Tensor, i: int) -> Tensor:
        """Map ``(n, width)`` to ``(n, W)``, for block ``i`` of its own."""
        return self[i](tokens)


class SharedAligner(nn.Module):
    """Map tokens by one matrix, to which each block adds a bias and a product
    of two thin matrices (MMRL++).

    Args:
        width (int): Width of the tokens.
        out (int): Width of the tower, ``W``.
        blocks (int): Number of blocks.
        rank (int): Rank of the product.
    """

    def __init__(self, width: int, out: int, blocks: int, rank: int) -> None:
        super().__init__()
        start = nn.Linear(width, out)
        self.weight = start.weight
        self.bias = nn.ParameterList(
            start.bias.detach().clone() for _ in range(blocks))
        self.left = nn.ParameterList(
            nn.init.kaiming_uniform_(torch.empty(out, rank), a=5**0.5)
            for _ in range(blocks))
        self.right = nn.ParameterList(
            torch.zeros(rank, width) for _ in range(blocks))

    def __len__(self) -> int:
        return len(self.bias)

    def forward(self, tokens: Tensor, i: int) -> Tensor:
        """Map ``(n, width)`` to ``(n, W)``, for block ``i`` of its own."""
        weight = self.weight + self.left[i] @ self.right[i]
        return F.linear(tokens, weight, self.bias[i])
