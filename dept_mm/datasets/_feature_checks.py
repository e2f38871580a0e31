"""Checks of features and labels that come from elsewhere."""
from __future__ import annotations

import logging

import torch
from mmengine.logging import print_log
from torch import Tensor

from dept_mm.errors import DeptError

AT_ONCE = 65536  # rows; a copy of them fits into any memory
FAR = 100.  # times the usual length


def check_features(found: Tensor | list[str], where: str) -> None:
    """Check features ``(N, D)``, and warn of what is odd but usable.

    Raises:
        DeptError: If they are no matrix of floating-point numbers, a row has
            nan or inf, or a row is zero, which has no direction.
    """
    if isinstance(found, list) or found.ndim != 2 or not found.numel():
        shape = 'strings' if isinstance(found, list) else tuple(found.shape)
        raise DeptError(f'{where}: features must be a matrix (rows, width), '
                        f'but are {shape}.')
    if not found.is_floating_point():
        raise DeptError(f'{where}: features must be floating-point numbers, '
                        f'but are {found.dtype}.')
    length = torch.cat([part.float().norm(dim=1)
                        for part in found.split(AT_ONCE)])
    for what, wrong in (('nan or inf', ~length.isfinite()),
                        ('nothing but zeros', length == 0)):
        if wrong.any():
            rows = wrong.nonzero().flatten().tolist()
            raise DeptError(f'{where}: {len(rows)} of {len(found)} rows hold '
                            f'{what}, such as {rows[:5]}. Leave them out.')
    _warn_of_odd_rows(found, length, where)


def _warn_of_odd_rows(found: Tensor, length: Tensor, where: str) -> None:
    usual = length.median()
    far = int(((length > FAR * usual) | (length < usual / FAR)).sum())
    same = len(found) - len({hash(row.numpy().tobytes()) for part in
                             found.split(AT_ONCE) for row in part.float()})
    for count, what in ((same, 'equal an earlier row'), (far, (
            f'are {FAR:.0f} times as long or short as the usual {usual:.3g}'
            ))):
        if count:
            print_log(f'{where}: {count} of {len(found)} rows {what}.',
                      logger='current', level=logging.WARNING)


def check_labels(labels: Tensor, rows: int, classes: int, where: str) -> None:
    """Check that there is one label for each row, and a name for each label.

    Raises:
        DeptError: If they are no whole numbers, their count is not that of
            the rows, or one is out of range.
    """
    if labels.ndim != 1 or labels.is_floating_point():
        raise DeptError(
            f'{where}: labels must be a list of whole numbers or class names,'
            f' but are {tuple(labels.shape)} of {labels.dtype}.')
    if len(labels) != rows:
        raise DeptError(f'{where}: {len(labels)} labels beside {rows} rows '
                        'of features.')
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        hint = (' They seem to count from 1: subtract 1.'
                if (low, high) == (1, classes) else '')
        raise DeptError(f'{where}: labels are {low} to {high}, but '
                        f'{classes} class names allow 0 to {classes - 1}.'
                        f'{hint}')


def check_text(text: Tensor | list[str], classes: int, width: int,
               where: str) -> None:
    """Check that text features ``(C, D)`` are those of the classes.

    Raises:
        DeptError: If they have another shape, or as ``check_features``.
    """
    check_features(text, where)
    if text.shape != (classes, width):
        hint = (' They seem to be transposed.'
                if text.shape == (width, classes) else '')
        raise DeptError(f'{where}: text features are {tuple(text.shape)}, but '
                        f'there are {classes} class names and image features '
                        f'{width} wide.{hint}')
