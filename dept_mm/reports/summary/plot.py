"""Plots of accuracies: base against new classes, or over an option."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dept_mm.errors import DeptError
from dept_mm.reports.drawing import new_figure
from dept_mm.reports.summary.tables import HALVES, H, Row, Table


def plot_base_new(tables: Sequence[Table], path: str | Path) -> None:
    """Draw base against new accuracy in the first column of each table.

    Tables without new classes are left out.

    Args:
        tables (Sequence[Table]): The tables.
        path (str | Path): The picture; its suffix determines the format.

    Raises:
        DeptError: If no table has new classes, or if matplotlib is missing.
    """
    tables = [t for t in tables if 'new' in t.metrics]
    if not tables:
        raise DeptError('--plot: no run has base and new classes.')
    figure = new_figure(figsize=(6 * len(tables), 5))
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, table in zip(axes, tables, strict=True):
        column = table.columns[0]
        for row in table.rows:
            points = [row.cells.get((column, half))
                      for half in ('base', 'new')]
            if row.kind == 'delta' or None in points:
                continue
            base, new = points
            ax.errorbar(base.mean, new.mean, xerr=base.std, yerr=new.std,
                        marker='o' if row.kind == 'run' else 'x', capsize=2)
            ax.annotate(row.label, (base.mean, new.mean), fontsize=7,
                        xytext=(4, 4), textcoords='offset points')
        ax.set(xlabel='base accuracy in %', ylabel='new accuracy in %',
               title=f'{table.title}: {column}')
    figure.savefig(path)


def plot_curves(tables: Sequence[Table], path: str | Path, option: str
                ) -> None:
    """Draw the first column of each table over the values of an option.

    Each method has a line; a method without the option has a horizontal one.

    Args:
        tables (Sequence[Table]): Tables of ``group_results(..., by=option)``.
        path (str | Path): The picture; its suffix determines the format.
        option (str): Name of the option.

    Raises:
        DeptError: If matplotlib is missing.
    """
    metrics = [m for m in (*HALVES, H)
               if any(m in table.metrics for table in tables)]
    figure = new_figure(
        figsize=(5 * len(metrics), 4 * len(tables) + .5))
    grid = figure.subplots(len(tables), len(metrics), squeeze=False)
    for axes, table in zip(grid, tables, strict=True):
        methods: dict[str, list[Row]] = {}
        for row in table.rows:
            if row.kind != 'delta':
                methods.setdefault(row.method, []).append(row)
        for ax, metric in zip(axes, metrics, strict=True):
            for name, rows in methods.items():
                _draw_curve(ax, name, rows, (table.columns[0], metric))
            ax.set(xlabel=option, title=f'{table.title}: {table.columns[0]}',
                   ylabel=f'{metric if len(metrics) > 1 else "accuracy"} '
                   'in %')
            ax.legend(fontsize=7)
    figure.savefig(path)


def _draw_curve(ax: Any, name: str, rows: Sequence[Row], key: tuple[str, str]
           ) -> None:
    """Draw one method's line, with standard deviations as error bars."""
    rows = [row for row in rows if key in row.cells]
    over = [row for row in rows if row.value is not None]
    if over:
        cells = [row.cells[key] for row in over]
        ax.errorbar([row.value for row in over], [c.mean for c in cells],
                    yerr=[c.std or 0 for c in cells], capsize=2, label=name,
                    marker='o' if over[0].kind == 'run' else 'x')
    for row in rows:
        if row.value is None:
            ax.axhline(row.cells[key].mean, label=name, linestyle='--',
                       color='gray')
