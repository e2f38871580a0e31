"""Tables of methods by data sets, averaged as in published tables."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from dept_mm.evaluation import HALVES, harmonic_mean
from dept_mm.reports.summary.published import AVERAGE, select_published_rows
from dept_mm.reports.summary.runs import DEPT, Method, label_row
from dept_mm.reports.summary.statistics import Spread

H, MEAN_H = 'H', 'mean of H'
# Metric -> seed -> value.
Series = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        label (str): Name of the method, the difference or the published row.
        kind (str): 'run', 'delta' (a difference) or 'published'.
        cells (dict): (column, metric) -> value.
        method (str): Name of the method, without the value of the option.
        value (optional): Value of the option by which methods are grouped.
        seeds (dict): (column, metric) -> the value of each seed, of 'run'.
        costs (dict): Cost -> its spread over runs, of 'run'.
    """
    label: str
    kind: str
    cells: Mapping[tuple[str, str], Spread]
    method: str = ''
    value: Any = None
    seeds: Mapping[tuple[str, str], Sequence[float]] = field(
        default_factory=dict)
    costs: Mapping[str, Spread] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table with methods as rows and data sets as columns.

    Attributes:
        title (str): Protocol and number of shots.
        columns (list): Data sets, after 'average' if there are several.
        metrics (list): 'base', 'new', 'H' and 'mean of H'; or 'base' alone,
            which then stands for all classes; or the metrics of the tasks.
        averaged (list): Data sets in the average.
        rows (list): Rows, with each host before host+DePT.
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
    """Build the table of one protocol.

    If a model was tested on data sets other than the one it was trained on
    (cross-dataset, domain generalization), the latter is left out of the
    average.

    Args:
        protocol (str): Abbreviation of the protocol, as in the names of
            configs.
        shots (int, optional): Images per class.
        methods (Mapping): Label -> runs of a method.
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
    for label, method in sorted(methods.items(), key=_sort_key):
        seeds = {(column, metric): list(values.values())
                 for column, group in groups.items() for metric, values in
                 _average_datasets(method, group).items()}
        rows.append(Row(label, 'run', _compute_cells(method, groups),
                        method.name, method.value, seeds,
                        {cost: Spread.from_values(values)
                         for cost, values in method.costs.items()}))
        host = _find_host(methods, label) if label.startswith(DEPT) else None
        if host:
            rows.append(Row(f'{label} - {host}', 'delta', _compute_cells(
                method, groups, methods[host])))
    if compare_published:
        for name, value, cells in select_published_rows(
                protocol, shots, {m.method for m in methods.values()},
                groups, len(averaged), by):
            rows.append(Row(label_row(name, by, value), 'published', {
                key: Spread(number) for key, number in cells.items()}, name,
                value))
    found = dict.fromkeys(m for row in rows if row.kind == 'run'
                          for _, m in row.cells)
    split = [*HALVES, H, MEAN_H] if 'new' in found else []
    metrics = split + [metric for metric in found if metric not in split]
    title = ', '.join([protocol or 'runs']
                      + [f'{shots} shots'] * (shots is not None))
    return Table(title, list(groups), metrics, averaged, rows)


def _sort_key(item: tuple[str, Method]) -> tuple:
    """Sort a host before host+DePT, and values of an option as numbers."""
    name, value = item[1].name, item[1].value
    number = isinstance(value, (int, float))
    return (name.removeprefix(DEPT), name.startswith(DEPT), number,
            value if number else str(value))


def _find_host(methods: Mapping[str, Method], label: str) -> str | None:
    """Find the label of the host (the method without DePT) of a method with
    DePT.

    The host was trained in the same way, possibly without the option by which
    rows are grouped, or it is zero-shot CLIP.
    """
    method = methods[label]
    for name in (label, method.name):
        if name.removeprefix(DEPT) in methods:
            return name.removeprefix(DEPT)
    aside = [name for name, m in methods.items() if m.aside
             and m.method == method.method.removeprefix(DEPT)]
    return aside[0] if len(aside) == 1 else None


def _compute_cells(method: Method, groups: Mapping[str, Iterable[str]],
           host: Method | None = None) -> dict[tuple[str, str], Spread]:
    """Compute a method's values, or their difference to a host's."""
    found = {}
    for column, datasets in groups.items():
        own = _average_datasets(method, datasets)
        if host is None:
            values = summarize(own)
        else:
            values = _subtract(own, _average_datasets(host, datasets))
        found.update({(column, metric): value
                      for metric, value in values.items()})
    return found


def _average_datasets(method: Method, datasets: Iterable[str]) -> dict:
    """Average over data sets, for each seed that all of them have."""
    found = {}
    for metric in dict.fromkeys(
            m for d in datasets for m in method.values.get(d, {})):
        parts = [method.values.get(d, {}).get(metric, {}) for d in datasets]
        seeds = set.intersection(*(set(p) for p in parts))
        if seeds:
            found[metric] = {s: mean(p[s] for p in parts)
                             for s in sorted(seeds)}
    if all(half in found for half in HALVES):
        seeds = found['base'].keys() & found['new'].keys()
        found[MEAN_H] = {s: harmonic_mean(found['base'][s], found['new'][s])
                         for s in sorted(seeds)}
    return found


def summarize(series: Series) -> dict[str, Spread]:
    """Compute the spread over seeds of each metric.

    H is that of the means over seeds, as in published tables.
    """
    found = {key: Spread.from_values(list(values.values()))
             for key, values in series.items() if values}
    if all(half in found for half in HALVES):
        found[H] = Spread(harmonic_mean(*(found[h].mean for h in HALVES)))
    return found


def _subtract(own: Series, host: Series) -> dict[str, Spread]:
    """Subtract a host's values from a method's.

    Where both have the same seeds, the spread is that of the differences by
    seed; otherwise only the means are subtracted.
    """
    ours, theirs = summarize(own), summarize(host)
    found = {key: Spread(value.mean - theirs[key].mean)
             for key, value in ours.items() if key in theirs}
    for key in found.keys() & own.keys():
        if own[key].keys() == host[key].keys():
            found[key] = Spread.from_values([value - host[key][seed]
                                    for seed, value in own[key].items()])
    return found
