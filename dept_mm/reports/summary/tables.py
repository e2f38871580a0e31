"""Tables of methods by data sets, as the field averages them."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from dept_mm.evaluation import harmonic_mean
from dept_mm.reports.summary.published import AVERAGE, published_rows
from dept_mm.reports.summary.runs import DEPT, HALVES, Method, row_label
from dept_mm.reports.summary.statistics import Spread

H, MEAN_H = 'H', 'mean of H'
# Half -> seed -> accuracy.
Series = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        label (str): Method, difference or source.
        kind (str): 'run', 'delta' or 'published'.
        cells (dict): (column, metric) -> value.
        method (str): The method's name, without the value.
        value (optional): Of the option in question.
    """
    label: str
    kind: str
    cells: Mapping[tuple[str, str], Spread]
    method: str = ''
    value: Any = None


@dataclass(frozen=True)
class Table:
    """Methods by data sets.

    Attributes:
        title (str): Protocol and shots.
        columns (list): 'average', where there are several, and data sets.
        metrics (list): 'base', 'new', 'H', 'mean of H', or 'all' alone.
        averaged (list): Data sets of the average.
        rows (list): Methods in order, a host before host+DePT.
    """
    title: str
    columns: Sequence[str]
    metrics: Sequence[str]
    averaged: Sequence[str]
    rows: Sequence[Row]


def build_table(protocol: str, shots: int | None,
                methods: Mapping[str, Method], order: Sequence[str] = (),
                compare_published: bool = False, by: str | None = None
                ) -> Table:
    """Make the table of one protocol.

    Data sets that a model was trained on are left out of the average where
    it was tested on others, too: cross-dataset, domain generalization.

    Args:
        protocol (str): Its abbreviation, as config names end.
        shots (int, optional): Images per class.
        methods (Mapping): Label -> runs.
        order (Sequence[str]): Data sets that come first.
        compare_published (bool): Whether to add rows of published tables.
        by (str, optional): The option by which methods were grouped.
    """
    datasets = sorted(
        {d for m in methods.values() for d in m.values},
        key=lambda d: (order.index(d) if d in order else len(order), d))
    sources = {d for m in methods.values() for d in m.sources}
    averaged = [d for d in datasets if d not in sources] or datasets
    groups = {AVERAGE: averaged} if len(averaged) > 1 else {}
    groups.update({d: [d] for d in datasets})
    rows = []
    for label, method in sorted(methods.items(), key=_host_first):
        rows.append(Row(label, 'run', _cells(method, groups), method.name,
                        method.value))
        host = _host(methods, label) if label.startswith(DEPT) else None
        if host:
            rows.append(Row(f'{label} - {host}', 'delta', _cells(
                method, groups, methods[host])))
    if compare_published:
        for name, value, cells in published_rows(
                protocol, shots, {m.method for m in methods.values()},
                groups, len(averaged), by):
            rows.append(Row(row_label(name, by, value), 'published', {
                key: Spread(number) for key, number in cells.items()}, name,
                value))
    split = any(metric == 'new' for row in rows for _, metric in row.cells)
    metrics = [*HALVES, H, MEAN_H] if split else ['base']
    title = ', '.join([protocol or 'runs']
                      + [f'{shots} shots'] * (shots is not None))
    return Table(title, list(groups), metrics, averaged, rows)


def _host_first(item: tuple[str, Method]) -> tuple:
    """Hosts before host+DePT, numbers in their order."""
    name, value = item[1].name, item[1].value
    number = isinstance(value, (int, float))
    return (name.removeprefix(DEPT), name.startswith(DEPT), number,
            value if number else str(value))


def _host(methods: Mapping[str, Method], label: str) -> str | None:
    """Label of the host of a method with DePT: one that was trained alike,
    perhaps without the option that rows differ in, or zero-shot CLIP."""
    method = methods[label]
    for name in (label, method.name):
        if name.removeprefix(DEPT) in methods:
            return name.removeprefix(DEPT)
    aside = [name for name, m in methods.items() if m.aside
             and m.method == method.method.removeprefix(DEPT)]
    return aside[0] if len(aside) == 1 else None


def _cells(method: Method, groups: Mapping[str, Iterable[str]],
           host: Method | None = None) -> dict[tuple[str, str], Spread]:
    """Values of a method, or their difference to a host's."""
    found = {}
    for column, datasets in groups.items():
        own = _series(method, datasets)
        if host is None:
            values = summarize(own)
        else:
            values = _difference(own, _series(host, datasets))
        found.update({(column, metric): value
                      for metric, value in values.items()})
    return found


def _series(method: Method, datasets: Iterable[str]) -> dict:
    """Averages over data sets for each seed that all of them have."""
    found = {}
    for half in HALVES:
        parts = [method.values.get(d, {}).get(half, {}) for d in datasets]
        seeds = set.intersection(*(set(p) for p in parts))
        if seeds:
            found[half] = {s: mean(p[s] for p in parts)
                           for s in sorted(seeds)}
    if len(found) == len(HALVES):
        seeds = found['base'].keys() & found['new'].keys()
        found[MEAN_H] = {s: harmonic_mean(found['base'][s], found['new'][s])
                         for s in sorted(seeds)}
    return found


def summarize(series: Series) -> dict[str, Spread]:
    """Spread over seeds; H is that of the means over seeds, as published."""
    found = {key: Spread.of(list(values.values()))
             for key, values in series.items() if values}
    if all(half in found for half in HALVES):
        found[H] = Spread(harmonic_mean(*(found[h].mean for h in HALVES)))
    return found


def _difference(own: Series, host: Series) -> dict[str, Spread]:
    """By seed where both have the same, else that of the means alone."""
    ours, theirs = summarize(own), summarize(host)
    found = {key: Spread(value.mean - theirs[key].mean)
             for key, value in ours.items() if key in theirs}
    for key in found.keys() & own.keys():
        if own[key].keys() == host[key].keys():
            found[key] = Spread.of([value - host[key][seed]
                                    for seed, value in own[key].items()])
    return found
