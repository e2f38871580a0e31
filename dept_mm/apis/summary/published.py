"""Published numbers, from ``assets/published.json``."""
from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

AVERAGE = 'average'
FILE = Path(__file__).parents[2] / 'assets/published.json'


@cache
def published_tables() -> dict[str, dict]:
    """Name -> table: ``title``, ``source``, ``metrics``, ``rows``.

    A row is named as our configs begin; its cells are by data set, or by
    what ``columns`` says, one number or one for each of ``metrics``.
    ``averaged`` is of how many data sets the average is.
    """
    return json.loads(FILE.read_text())['tables']


def dataset_order() -> list[str]:
    """Data sets in the order of the field's tables."""
    first = next(iter(published_tables().values()))
    return [d for d in next(iter(first['rows'].values())) if d != AVERAGE]


def published_rows(protocol: str, shots: int | None,
                   methods: Collection[str], columns: Collection[str],
                   averaged: int) -> Iterator[tuple[str, dict]]:
    """Rows of methods in published tables of a protocol, in these columns;
    their average where it is of as many data sets.

    Yields:
        tuple[str, dict]: 'method (table)', and (column, metric) -> value.
    """
    for name, table in published_tables().items():
        if table.get('protocol') != protocol or shots not in (
                None, table['shots']):
            continue
        # An accuracy among all classes is that of the base classes here.
        metrics = ['base' if m == 'accuracy' else m for m in table['metrics']]
        shown = set(columns)
        if averaged != table['averaged']:
            shown.discard(AVERAGE)
        for method, row in table['rows'].items():
            cells = {(column, metric): value
                     for column, values in row.items() if column in shown
                     for metric, value in zip(metrics, _listed(values),
                                              strict=True)}
            if method in methods and cells:
                yield f'{method} ({name})', cells


def _listed(values: float | list[float]) -> list[float]:
    return values if isinstance(values, list) else [values]
