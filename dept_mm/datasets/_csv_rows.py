"""Read the rows of a csv file that lists images."""
from __future__ import annotations

import csv
import os.path as osp
from typing import Protocol

from dept_mm.errors import DeptError

from .few_shot import SPLITS


class Listed(Protocol):
    """A data set that a csv file lists."""
    ann_file: str
    source: str

    def make_not_found_error(self, what: str, path: str) -> DeptError:
        """Make the error for a missing file."""


def load_rows(dataset: Listed, column: str = 'label'
              ) -> tuple[list[tuple[str, str, str]], bool]:
    """Load the rows of the csv file of a data set.

    Args:
        dataset (Listed): The data set.
        column (str): The column beside ``path`` and ``split``.

    Returns:
        tuple[list[tuple[str, str, str]], bool]: The rows (path, text of the
        column, split), the split '' if the file has none, and whether it has
        a split column.

    Raises:
        DeptError: If the file is missing or a row is incomplete.
    """
    if not dataset.ann_file:
        raise DeptError(f"{type(dataset).__name__} needs 'ann_file', the path "
                        'of a csv file.')
    if not osp.isfile(dataset.ann_file):
        raise dataset.make_not_found_error('csv file', dataset.ann_file)
    source = dataset.source
    try:
        # Excel starts utf-8 files with a byte order mark.
        with open(dataset.ann_file, encoding='utf-8-sig',
                  newline='') as file:
            table = csv.DictReader(file)
            header = table.fieldnames or []
            if not {'path', column} <= set(header):
                raise DeptError(
                    f"{source}: the header must be 'path,{column}' or "
                    f"'path,{column},split', but it is "
                    f"{','.join(header)!r}.")
            has_split = 'split' in header
            columns = ['path', column] + ['split'] * has_split
            rows = [_check_row(row, columns, f'{source}, line '
                               f'{table.line_num}') for row in table]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DeptError(f'{source} is not a csv file in utf-8: '
                        f'{error}.') from error
    if not rows:
        raise DeptError(f'{source} lists no images.')
    return rows, has_split


def _check_row(row: dict, columns: list[str], place: str
               ) -> tuple[str, str, str]:
    """Return the three values of a row, the split '' if there is none."""
    values = [(row[column] or '').strip() for column in columns]
    for column, value in zip(columns, values, strict=True):
        if not value:
            raise DeptError(f'{place}: {column!r} is empty.')
    path, text, split = values if len(values) == 3 else [*values, '']
    if split and split not in SPLITS:
        raise DeptError(f'{place}: the split {split!r} is not one of '
                        f'{list(SPLITS)}.')
    return path, text, split
