"""Read the rows of csv, tsv and JSON lines files, packed by gzip or not."""
from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from dept_mm.errors import DeptError

# SciTail's JSON lines are in files that end in .txt.
JSON_LINES = '.jsonl', '.json', '.txt'
TABLES = {
    '.csv': {},
    # In the tsv files of GLUE, quotes are part of the texts.
    '.tsv': dict(delimiter='\t', quoting=csv.QUOTE_NONE)}


def read_file(path: Path, header: Sequence[str]) -> list[tuple[str, Mapping]]:
    """Read the rows of a file, each with the name of its place.

    Args:
        path (Path): A csv, tsv or JSON lines file, or one of these in gzip's
            format with the suffix '.gz'.
        header (Sequence[str]): Columns, if the file has no header line.

    Raises:
        DeptError: If the file is missing or has another format.
    """
    if not path.is_file():
        raise DeptError(f'Text file not found: {path.absolute()}. Put it '
                        'there, or give its folder with --cfg-options '
                        'dataset.data_root=/path/to/data.')
    packed = path.suffix == '.gz'
    suffix = path.suffixes[-1 - packed] if path.suffixes[packed:] else ''
    if suffix not in (*JSON_LINES, *TABLES):
        raise DeptError(f'{path}: the file must end in .csv, .tsv or .jsonl, '
                        'or in one of these and .gz.')
    try:
        with (gzip.open if packed else open)(
                path, 'rt', encoding='utf-8-sig', newline='') as file:
            rows = (_read_json(file) if suffix in JSON_LINES else
                    _read_table(file, header, **TABLES[suffix]))
            return [(f'{path}, line {line}', row) for line, row in rows]
    except (csv.Error, ValueError, OSError) as error:
        raise DeptError(f'{path} cannot be read: {error}.') from error


def _read_json(file: TextIO) -> Iterator[tuple[int, Mapping]]:
    for line, text in enumerate(file, 1):
        if text.strip():
            yield line, json.loads(text)


def _read_table(file: TextIO, header: Sequence[str], **dialect
                ) -> Iterator[tuple[int, Mapping]]:
    table = csv.DictReader(file, header or None, **dialect)
    for row in table:
        yield table.line_num, row


def get_column(row: Mapping, name: str) -> Any:
    """Return the value of a column, or of a nested one, ``outer.inner``.

    Raises:
        KeyError: If there is none.
    """
    if name in row or '.' not in name:
        return row[name]
    outer, inner = name.split('.', 1)
    return get_column(row[outer], inner)
