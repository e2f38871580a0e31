"""What the runs of a method have measured, as a table and a plot."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from _sweep.job import Run, is_finished
from _sweep.table import COLUMNS

from dept_mm.errors import DeptError
from dept_mm.evaluation import list_metrics, read_result
from dept_mm.reports.summary import (
    Spread,
    Table,
    format_spread,
    plot_costs,
    summarize,
)
from dept_mm.reports.summary.runs import list_costs
from dept_mm.reports.summary.tables import H, Row

WHERE = 'validation'  # the one column of the table that is drawn
SECONDS, PARAMETERS = 'training in s', 'trained parameters'


def make_row(label: str, method: str, runs: Sequence[Run]) -> Row | None:
    """Average over the seeds of a method; None if no run has a result.

    Raises:
        DeptError: If the data set has no new classes.
    """
    series: dict[str, dict[int, float]] = {}
    costs: dict[str, list[float]] = {}
    for run in filter(is_finished, runs):
        result = read_result(run.work_dir)
        # A run measures one data set here, its own.
        measured, = result['results']['tuned'].values()
        for metric, value in list_metrics(measured).items():
            series.setdefault(metric, {})[run.seed] = value
        for cost, value in list_costs(result).items():
            costs.setdefault(cost, []).append(value)
    if not series:
        return None
    cells = {(WHERE, key): value for key, value in summarize(series).items()}
    if (WHERE, H) not in cells:
        raise DeptError('The data set has no new classes or none with '
                        'validation images, so H is not defined: compare '
                        'methods with tools/sweep.py --select val.')
    return Row(label, 'run', cells, method, costs={
        cost: Spread.from_values(values) for cost, values in costs.items()})


def sort_rows(rows: Sequence[Row | None]) -> list[Row]:
    """Sort by H, the best first; leave out what has no result."""
    return sorted(filter(None, rows),
                  key=lambda row: -row.cells[WHERE, H].mean)


def print_rows(rows: Sequence[Row]) -> None:
    """Print base, new, H and what the training took."""
    print('\n| ' + ' | '.join(
        ['validation images', *COLUMNS, SECONDS, PARAMETERS]) + ' |\n'
        + '|---' * (len(COLUMNS) + 3) + '|')
    for row in rows:
        values = [format_spread(row.cells[WHERE, key]) for key in COLUMNS]
        count = row.costs.get(PARAMETERS)
        print('| ' + ' | '.join([
            row.label, *values, format_spread(row.costs.get(SECONDS)),
            f'{count.mean:,.0f}' if count else '-']) + ' |')


def draw_rows(rows: Sequence[Row], title: str, path: Path) -> None:
    """Draw H over each cost."""
    plot_costs([Table(title, [WHERE], [H], [WHERE], rows)], path)
