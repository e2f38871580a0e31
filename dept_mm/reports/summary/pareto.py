"""Plots of results over what a training takes."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dept_mm.errors import DeptError
from dept_mm.reports.drawing import new_figure
from dept_mm.reports.summary.plot import list_panels, name_axis
from dept_mm.reports.summary.tables import Row, Table


def plot_costs(tables: Sequence[Table], path: str | Path, kind: str = 'std'
               ) -> None:
    """Draw the first metric of each table over the costs of training.

    There is a panel for each cost, such as seconds, and a point for each row.
    A line joins the rows of ``find_front``.

    Args:
        tables (Sequence[Table]): The tables.
        path (str | Path): The picture; its suffix determines the format.
        kind (str): What error bars show; see ``Spread.around``. Defaults to
            'std'.

    Raises:
        DeptError: If no run knows its costs, or matplotlib is missing.
    """
    panels = [(table, next(list_panels(table)), cost) for table in tables
              for cost in dict.fromkeys(
                  cost for row in table.rows for cost in row.costs)]
    if not panels:
        raise DeptError('--costs: no run knows what it took; the hook '
                        'CostHook measures it.')
    figure = new_figure(figsize=(6 * len(panels), 5))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (table, key, cost) in zip(axes, panels, strict=True):
        rows = [row for row in table.rows
                if cost in row.costs and key in row.cells]
        _draw_panel(ax, rows, key, cost, kind)
        ax.set(title=f'{table.title}: {key[0]}', xlabel=cost,
               ylabel=name_axis(table, key[1]))
    figure.savefig(path)


def _draw_panel(ax: Any, rows: Sequence[Row], key: tuple[str, str],
                cost: str, kind: str) -> None:
    points = []
    costs = [row.costs[cost].mean for row in rows]
    middle = (min(costs) + max(costs)) / 2
    for row in rows:
        x, y = row.costs[cost], row.cells[key]
        points.append((x.mean, y.mean))
        ax.errorbar(x.mean, y.mean, xerr=x.around(kind), yerr=y.around(kind),
                    marker='o', capsize=2)
        # Towards the middle, so that it stays inside the panel.
        left = x.mean > middle
        ax.annotate(row.label, points[-1], fontsize=7,
                    xytext=(-4 if left else 4, 4), ha='right' if left else
                    'left', textcoords='offset points')
    front = find_front(points)
    ax.plot([x for x, _ in front], [y for _, y in front], color='gray',
            linestyle='--', zorder=0)


def find_front(points: Sequence[tuple[float, float]]
               ) -> list[tuple[float, float]]:
    """Find the points (cost, value) that no other point beats.

    A point beats another if it costs at most as much and is worth at least as
    much, and differs in one of these (Pareto's order).

    Returns:
        list[tuple]: The points by cost, equal ones once.
    """
    front: list[tuple[float, float]] = []
    for x, y in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front
