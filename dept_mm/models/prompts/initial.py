"""What learned tokens start from."""
from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from dept_mm.errors import DeptError


def start_rows(init: Tensor | float | None, count: int, width: int) -> Tensor:
    """``count`` rows to start from, ``(count, width)``.

    Args:
        init (Tensor | float, optional): Rows ``(n, width)``, repeated or cut
            to ``count``, or the deviation of noise. None is 0.02.

    Raises:
        DeptError: If the rows are of another width, or there are none.
    """
    if not isinstance(init, Tensor):
        return torch.randn(count, width) * (0.02 if init is None else init)
    if init.ndim != 2 or init.shape[1] != width or not len(init):
        raise DeptError(f'init: rows of shape {tuple(init.shape)} cannot '
                        f'start tokens of width {width}.')
    rows = torch.arange(count, device=init.device) % len(init)
    return init.detach()[rows].float().clone()


def sample_rows(table: Tensor, count: int, seed: int = 0,
                exclude: Iterable[int] = (), limit: int = 5000) -> Tensor:
    """Draw different rows of a table: start from words of a vocabulary.

    The draw depends on the seed alone, so that all processes agree. Early
    entries of a vocabulary are its frequent ones ("The Power of Scale", Lester
    et al., EMNLP 2021).

    Args:
        table (Tensor): ``(V, W)``.
        count (int): ``n``.
        seed (int): Of a generator of its own. Defaults to 0.
        exclude (Iterable[int]): Rows never drawn: special tokens.
        limit (int): Draw from the first so many rows. Defaults to 5000.

    Returns:
        Tensor: ``(n, W)``.

    Raises:
        DeptError: If the table has fewer rows to draw.
    """
    taken = set(exclude)
    rows = torch.tensor([i for i in range(min(limit, len(table)))
                         if i not in taken], dtype=torch.long)
    if count > len(rows):
        raise DeptError(f'{count} rows cannot be drawn from {len(rows)}: '
                        'take fewer tokens.')
    order = torch.randperm(len(rows),
                           generator=torch.Generator().manual_seed(seed))
    return table.detach()[rows[order[:count]].to(table.device)]
