"""Hold the token ids of a batch of texts."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Tokens(NamedTuple):
    """A batch of ``B`` texts as token ids.

    Attributes:
        ids (Tensor): Token ids ``(B, S)``, long.
        mask (Tensor): ``(B, S)`` bool, False at padding.
    """
    ids: Tensor
    mask: Tensor

    @classmethod
    def pad(cls, rows: Sequence[Sequence[int]], value: int) -> Tokens:
        """Pad rows on the right to the length of the longest.

        Args:
            rows (Sequence): ``B`` lists of token ids.
            value (int): Token id of padding.
        """
        length = max(map(len, rows))
        ids = torch.tensor([[*row, *[value] * (length - len(row))]
                            for row in rows])
        count = torch.tensor([len(row) for row in rows])
        return cls(ids, torch.arange(length) < count[:, None])

    def compact(self) -> Tokens:
        """Move all padding to the right."""
        order = (~self.mask).long().argsort(dim=1, stable=True)
        return Tokens(self.ids.gather(1, order), self.mask.gather(1, order))

    def to(self, device: torch.device | str) -> Tokens:
        """Move both tensors to a device."""
        return Tokens(self.ids.to(device), self.mask.to(device))
