"""Files that get one row after another, in one of several formats."""
from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dept_mm.errors import DeptError

FORMATS = ('.csv', '.json', '.jsonl')


class RowFile:
    """A file of rows: a csv file, a list of JSON objects, or such an object
    in each line.

    Args:
        path (str | Path): The file, whose ending chooses the format.
        columns (Sequence[str]): Columns of a csv file.

    Raises:
        DeptError: If the ending is another, or the file cannot be written.
    """

    def __init__(self, path: str | Path, columns: Sequence[str]) -> None:
        self.path, self.columns = Path(path), columns
        self.kind = self.path.suffix.lower()
        if self.kind not in FORMATS:
            raise DeptError(f'{path}: the name of the file must end in one of '
                            f'{", ".join(FORMATS)}.')
        self._rows = 0

    def __enter__(self) -> RowFile:
        try:
            self._file = open(self.path, 'w', encoding='utf-8', newline='')
        except OSError as error:
            raise DeptError(f'{self.path} cannot be written: {error}'
                            ) from error
        if self.kind == '.csv':
            self._csv = csv.writer(self._file)
            self._csv.writerow(self.columns)
        elif self.kind == '.json':
            self._file.write('[')
        return self

    def __exit__(self, *_) -> None:
        if self.kind == '.json':
            self._file.write('\n]\n')
        self._file.close()

    def write(self, row: Mapping[str, Any], cells: Sequence) -> None:
        """Write a row.

        Args:
            row (Mapping): The object, in JSON types.
            cells (Sequence): The cells of a csv file.
        """
        if self.kind == '.csv':
            self._csv.writerow(cells)
            return
        text = json.dumps(row, ensure_ascii=False)
        if self.kind == '.json':
            self._file.write((',' if self._rows else '') + '\n' + text)
        else:
            self._file.write(text + '\n')
        self._rows += 1


def name_score_columns(k: int) -> list[str]:
    """Name the columns of the ``k`` likeliest classes."""
    return [f'{what}_{i + 1}' for i in range(k)
            for what in ('class', 'probability')]


def list_score_cells(classes: Sequence[Mapping], k: int) -> list:
    """List the cells of ``k`` classes, each with name and probability."""
    cells = [cell for score in classes[:k] for cell in score.values()]
    return cells + [''] * (2 * k - len(cells))
