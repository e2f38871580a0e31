"""Base against new accuracy, one point a method."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dept_mm.apis.summary.tables import Table
from dept_mm.errors import DeptError


def plot(tables: Sequence[Table], path: str | Path) -> None:
    """Draw the first column of every table that has new classes.

    Args:
        tables (Sequence[Table]): Tables.
        path (str | Path): The picture; its suffix says which format.

    Raises:
        DeptError: If there is nothing to draw, or matplotlib is missing.
    """
    tables = [t for t in tables if 'new' in t.metrics]
    if not tables:
        raise DeptError('--plot: no run has base and new classes.')
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DeptError('--plot needs matplotlib: pip install '
                        'matplotlib') from error
    figure = Figure(figsize=(6 * len(tables), 5), layout='constrained')
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
