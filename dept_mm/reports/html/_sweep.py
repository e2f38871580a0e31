"""The report of a sweep: what its page says."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dept_mm.errors import DeptError
from dept_mm.evaluation import list_metrics
from dept_mm.reports.html._figures import draw_points
from dept_mm.reports.html._page import FILE
from dept_mm.reports.html._recipe import shorten_path
from dept_mm.reports.summary import (
    Table,
    build_table,
    format_spread,
    group_results,
    list_datasets,
)
from dept_mm.reports.summary.render import list_heads, list_sources
from dept_mm.reports.summary.tables import MEAN_H, H, Row

Results = Mapping[Path, Mapping]


def describe(folder: Path, results: Results) -> tuple[dict, dict]:
    """Collect what the page of a sweep says.

    Args:
        folder (Path): Folder of the sweep.
        results (Mapping): Path -> content of each ``result.json`` below it.

    Returns:
        tuple[dict, dict]: Values for ``sweep.html.j2``, and all figures.

    Raises:
        DeptError: If no run was evaluated, or results contradict each other.
    """
    tables, figures = [], {}
    for title, table in build_tables(results):
        panels = list_points(table)
        name = f'points-{len(tables) + 1}'
        if panels:
            figures[name] = draw_points(panels)
        shown = list_heads(table)
        tables.append(dict(
            title=title, figure=name if panels else None,
            head=list(shown.values()), sources=list_sources(table),
            rows=[dict(label=row.label, kind=row.kind, cells=[
                format_spread(row.cells.get(key)) for key in shown])
                for row in table.rows]))
        if len(tables) == 1:
            headline = _write_headline(table, len(results))
    if not tables:
        raise DeptError(f'No run below {folder} was evaluated.')
    runs = [_describe_run(path, result, folder)
            for path, result in sorted(results.items())]
    return dict(title=f'Sweep: {folder.absolute().name}', headline=headline,
                tables=tables, runs=runs, folder=shorten_path(folder)), figures


def build_tables(results: Results) -> Iterator[tuple[str, Table]]:
    """Build a table for each protocol and number of shots.

    Rows tell apart the first option in which runs of one config differ; each
    value of a further one has a table of its own.
    """
    first, *others = find_options(results) or [None]
    parts: dict[str, dict] = {}
    for path, result in results.items():
        flat = _flatten(result.get('settings') or {})
        title = ', '.join(f'{key}={flat.get(key)}' for key in others)
        parts.setdefault(title, {})[path] = result
    for title, part in parts.items():
        for key, methods in group_results(part, first).items():
            table = build_table(*key, methods, list_datasets(), True, first)
            yield ', '.join(filter(None, (table.title, title))), table


def find_options(results: Results) -> list[str]:
    """Find the options, other than seeds, in which runs of one config differ.

    If several options always change together, only the first is listed.
    """
    groups: dict[tuple, list[dict]] = {}
    for result in results.values():
        key = (result['config'], result['dataset'], result.get('protocol'),
               result['shots'])
        groups.setdefault(key, []).append(
            _flatten(result.get('settings') or {}))
    found: dict[tuple, str] = {}
    for group in groups.values():
        for option in dict.fromkeys(key for flat in group for key in flat):
            values = [flat.get(option) for flat in group]
            if len(set(values)) > 1 and option.split('.')[-1] != 'seed':
                pattern = tuple(map(values.index, values))
                found.setdefault(pattern, option)
    return list(dict.fromkeys(found.values()))


def _flatten(node: Any, prefix: str = '') -> dict[str, str]:
    """Map the path of each value in nested dicts and lists to its JSON."""
    items = (node.items() if isinstance(node, dict) else enumerate(node)
             if isinstance(node, list) else ())
    found = {k: v for key, value in items
             for k, v in _flatten(value, f'{prefix}{key}.').items()}
    return found or {prefix[:-1]: json.dumps(node)}


def list_points(table: Table) -> dict[str, dict[str, dict]]:
    """List the points of a figure: metric -> row -> seeds, mean, published.

    They are of the first column that has any. The H of a seed is its own; the
    mean is the H of the means, as in the table.
    """
    found: dict[str, dict[str, dict]] = {}
    for metric in table.metrics:
        if metric == MEAN_H:
            continue
        column = next((c for c in table.columns if any(
            (c, metric) in row.cells for row in table.rows)), None)
        for row in table.rows:
            if row.kind != 'delta' and (column, metric) in row.cells:
                mean = row.cells[column, metric].mean
                known = row.kind == 'published'
                found.setdefault(metric, {})[row.label] = dict(
                    seeds=row.seeds.get(
                        (column, MEAN_H if metric == H else metric), ()),
                    mean=None if known else mean,
                    published=mean if known else None)
    return found


def _write_headline(table: Table, count: int) -> str:
    """Say in one sentence which method is best."""
    column = table.columns[0]
    metric = H if H in table.metrics else table.metrics[0]
    rows = [row for row in table.rows
            if row.kind == 'run' and (column, metric) in row.cells]
    start = f'{count} run{"s" * (count != 1)}'
    if not rows:
        return f'{start}; no method has results on all data sets.'

    def value(row: Row) -> float:
        return row.cells[column, metric].mean

    best = max(rows, key=value)
    where = (f'on average over {len(table.averaged)} data sets'
             if len(table.averaged) > 1 else f'on {column}')
    name = 'accuracy' if table.metrics == ['base'] else metric
    return (f'{start}: {best.label} has the highest {name} {where}, '
            f'{value(best):.2f}.')


def _describe_run(path: Path, result: Mapping, folder: Path) -> dict:
    """Describe a run in one line of the list."""
    page = path.with_name(FILE)
    rows = result['results']
    row = rows.get('tuned', rows.get('tested')) or {}
    values = list_metrics(next(iter(row.values()), {}))
    return dict(
        name=os.path.relpath(path.parent, folder), seed=result.get('seed'),
        dataset=result.get('dataset'), link=quote(
            os.path.relpath(page, folder)) if page.is_file() else None,
        values=', '.join(f'{key} {value:.2f}'
                         for key, value in values.items()))
