"""Token ids of a batch of texts."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """Texts as ids.

    Attributes:
        ids (Tensor): ``(B, S)`` long.
        mask (Tensor): ``(B, S)`` bool, False at padding.
    """
    ids: Tensor
    mask: Tensor

    @classmethod
    def pad(cls, rows: Sequence[Sequence[int]], value: int) -> Tokens:
        """Rows of different lengths, padded on the right to the longest.

        Args:
            rows (Sequence): ``B`` lists of ids.
            value (int): Id of padding.
        """
        length = max(map(len, rows))
        ids = torch.tensor([[*row, *[value] * (length - len(row))]
                            for row in rows])
        count = torch.tensor([len(row) for row in rows])
        return cls(ids, torch.arange(length) < count[:, None])

    def compact(self) -> Tokens:
        """The same texts with all padding on the right."""
        order = (~self.mask).long().argsort(dim=1, stable=True)
        return Tokens(self.ids.gather(1, order), self.mask.gather(1, order))

    def to(self, device: torch.device | str) -> Tokens:
        """Move to a device."""
        return Tokens(self.ids.to(device), self.mask.to(device))
