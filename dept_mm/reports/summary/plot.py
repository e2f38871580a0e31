"""Plots of results: base against new classes, each metric, or over an option.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dept_mm.evaluation import HALVES
from dept_mm.reports.drawing import new_figure
from dept_mm.reports.summary.tables import MEAN_H, Row, Table


def plot_results(tables: Sequence[Table], path: str | Path, kind: str = 'std'
                 ) -> None:
    """Draw base against new accuracy in the first column of each table.

    A table without new classes has a panel for each of ``list_panels``.

    Args:
        tables (Sequence[Table]): The tables.
        path (str | Path): The picture; its suffix determines the format.
        kind (str): What error bars show; see ``Spread.around``. Defaults to
            'std'.

    Raises:
        DeptError: If matplotlib is missing.
    """
    panels = []
    for table in tables:
        panels += ([(table, table.columns[0], HALVES)]
                   if 'new' in table.metrics else
                   [(table, *key) for key in list_panels(table)])
    figure = new_figure(figsize=(6 * len(panels), 5))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (table, column, metric) in zip(axes, panels, strict=True):
        if isinstance(metric, tuple):
            _draw_base_new(ax, table, column, kind)
        else:
            _draw_metric(ax, table, column, metric, kind)
        ax.set(title=f'{table.title}: {column}')
    figure.savefig(path)


def _draw_base_new(ax: Any, table: Table, column: str, kind: str) -> None:
    for row in table.rows:
        points = [row.cells.get((column, half)) for half in HALVES]
        if row.kind == 'delta' or None in points:
            continue
        base, new = points
        ax.errorbar(base.mean, new.mean, xerr=base.around(kind),
                    yerr=new.around(kind),
                    marker='o' if row.kind == 'run' else 'x', capsize=2)
        ax.annotate(row.label, (base.mean, new.mean), fontsize=7,
                    xytext=(4, 4), textcoords='offset points')
    ax.set(xlabel='base accuracy in %', ylabel='new accuracy in %')


def _draw_metric(ax: Any, table: Table, column: str, metric: str, kind: str
                 ) -> None:
    for row in table.rows:
        if row.kind != 'delta' and (column, metric) in row.cells:
            cell = row.cells[column, metric]
            ax.errorbar(cell.mean, [row.label], xerr=cell.around(kind),
                        capsize=2,
                        marker='o' if row.kind == 'run' else 'x')
    ax.set(xlabel=name_axis(table, metric))


def list_panels(table: Table) -> Iterator[tuple[str, str]]:
    """List the (column, metric) to draw.

    These are the metrics of the first column. A metric that this column lacks,
    like the average of tasks with other metrics, is drawn for each data set.
    """
    for metric in table.metrics:
        found = [column for column in table.columns
                 if any((column, metric) in row.cells for row in table.rows)]
        if metric != MEAN_H:
            first = found[:1] == list(table.columns[:1])
            yield from ((c, metric) for c in found[:1 if first else None])


def name_axis(table: Table, metric: str) -> str:
    """Name an axis; half 'base' alone stands for all classes."""
    alone = list(table.metrics) == ['base']
    return f'{"accuracy" if alone else metric} in %'


def plot_curves(tables: Sequence[Table], path: str | Path, option: str,
                kind: str = 'std') -> None:
    """Draw the panels of each table over the values of an option.

    Each method has a line; a method without the option has a horizontal one.

    Args:
        tables (Sequence[Table]): Tables of ``group_results(..., by=option)``.
        path (str | Path): The picture; its suffix determines the format.
        option (str): Name of the option.
        kind (str): What error bars show; see ``Spread.around``. Defaults to
            'std'.

    Raises:
        DeptError: If matplotlib is missing.
    """
    panels = [list(list_panels(table)) for table in tables]
    width = max(map(len, panels))
    figure = new_figure(figsize=(5 * width, 4 * len(tables) + .5))
    grid = figure.subplots(len(tables), width, squeeze=False)
    for axes, table, keys in zip(grid, tables, panels, strict=True):
        methods: dict[str, list[Row]] = {}
        for row in table.rows:
            if row.kind != 'delta':
                methods.setdefault(row.method, []).append(row)
        for ax in axes[len(keys):]:
            ax.remove()
        for ax, key in zip(axes[:len(keys)], keys, strict=True):
            for name, rows in methods.items():
                _draw_curve(ax, name, rows, key, kind)
            ax.set(xlabel=option, title=f'{table.title}: {key[0]}',
                   ylabel=name_axis(table, key[1]))
            ax.legend(fontsize=7)
    figure.savefig(path)


def _draw_curve(ax: Any, name: str, rows: Sequence[Row],
                key: tuple[str, str], kind: str) -> None:
    """Draw one method's line with error bars."""
    rows = [row for row in rows if key in row.cells]
    over = [row for row in rows if row.value is not None]
    if over:
        cells = [row.cells[key] for row in over]
        ax.errorbar([row.value for row in over], [c.mean for c in cells],
                    yerr=[c.around(kind) or 0 for c in cells], capsize=2,
                    label=name, marker='o' if over[0].kind == 'run' else 'x')
        if all(isinstance(row.value, int) for row in over):
            # E.g. numbers of blocks or tokens.
            ax.xaxis.get_major_locator().set_params(integer=True)
    for row in rows:
        if row.value is None:
            ax.axhline(row.cells[key].mean, label=name, linestyle='--',
                       color='gray')
