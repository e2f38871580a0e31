"""Published results to compare with, read from ``assets/published.json``."""
from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

AVERAGE = 'average'
FILE = Path(__file__).parents[2] / 'assets/published.json'


@cache
def load_published_tables() -> dict[str, dict]:
    """Load all published tables.

    A table has ``title``, ``source``, ``metrics`` and ``rows``. Each row is
    named like the beginning of our configs' names. Its cells are keyed by data
    set; a cell is one number, one for each of ``metrics``, or numbers by
    metric. If a table has
    an ``option``, its cells are averages keyed by the value of that option.
    ``averaged`` is the number of data sets in the average.

    Returns:
        dict: The tables by name.
    """
    return json.loads(FILE.read_text())['tables']


def list_datasets() -> list[str]:
    """List the data sets in the order of published tables."""
    first = next(iter(load_published_tables().values()))
    return [d for d in next(iter(first['rows'].values())) if d != AVERAGE]


def select_published_rows(protocol: str, shots: int | None,
                   methods: Collection[str], columns: Collection[str],
                   averaged: int, by: str | None = None
                   ) -> Iterator[tuple[str, Any, dict]]:
    """Select the published rows that can stand beside our results.

    Args:
        protocol (str): Protocol of the tables, such as ``'b2n'``.
        shots (int, optional): Images per class; None selects any.
        methods (Collection[str]): Methods of the rows.
        columns (Collection[str]): Columns to keep.
        averaged (int): Number of data sets in our average; a published average
            over another number is left out.
        by (str, optional): Select tables over this option.

    Yields:
        tuple[str, Any, dict]: Name of the row as 'method (table)', value of
        the option, and a dict from (column, metric) to number.
    """
    for name, table in load_published_tables().items():
        if (table.get('protocol'), table.get('option')) != (
                protocol, by) or shots not in (None, table.get('shots')):
            continue
        # In our tables, an accuracy among all classes is in column 'base'.
        metrics = ['base' if m == 'accuracy' else m for m in table['metrics']]
        shown = set(columns)
        if averaged != table['averaged']:
            shown.discard(AVERAGE)
        for method, row in table['rows'].items():
            rows = [(None, row)] if by is None else [
                (json.loads(value), {AVERAGE: numbers})
                for value, numbers in row.items()]
            for value, row in rows:
                cells = {(column, metric): number
                         for column, numbers in row.items() if column in shown
                         for metric, number in _list_cells(numbers, metrics)}
                if method in methods and cells:
                    yield f'{method} ({name})', value, cells


def _list_cells(numbers: float | list | dict, metrics: list[str]
                ) -> Iterable[tuple[str, float]]:
    """List the metrics of one cell with their numbers."""
    if isinstance(numbers, dict):
        return numbers.items()
    return zip(metrics, numbers if isinstance(numbers, list) else [numbers],
               strict=True)
