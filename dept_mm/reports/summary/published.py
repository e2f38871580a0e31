"""Published numbers, from ``assets/published.json``."""
from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

AVERAGE = 'average'
FILE = Path(__file__).parents[2] / 'assets/published.json'


@cache
def published_tables() -> dict[str, dict]:
    """Name -> table: ``title``, ``source``, ``metrics``, ``rows``.

    A row is named as our configs begin; its cells are by data set, one
    number or one for each of ``metrics``. Where there is an ``option``, they
    are averages by its value; ``columns`` says what else they are by.
    ``averaged`` is of how many data sets the average is.
    """
    return json.loads(FILE.read_text())['tables']


def dataset_order() -> list[str]:
    """Data sets in the order of the field's tables."""
    first = next(iter(published_tables().values()))
    return [d for d in next(iter(first['rows'].values())) if d != AVERAGE]


def published_rows(protocol: str, shots: int | None,
                   methods: Collection[str], columns: Collection[str],
                   averaged: int, by: str | None = None
                   ) -> Iterator[tuple[str, Any, dict]]:
    """Rows of methods in published tables of a protocol, in these columns,
    or over an option; their average where it is of as many data sets.

    Yields:
        tuple[str, Any, dict]: 'method (table)', value of the option, and
        (column, metric) -> number.
    """
    for name, table in published_tables().items():
        if (table.get('protocol'), table.get('option')) != (
                protocol, by) or shots not in (None, table.get('shots')):
            continue
        # An accuracy among all classes is that of the base classes here.
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
                         for metric, number in zip(
                             metrics, _listed(numbers), strict=True)}
                if method in methods and cells:
                    yield f'{method} ({name})', value, cells


def _listed(values: float | list[float]) -> list[float]:
    return values if isinstance(values, list) else [values]
