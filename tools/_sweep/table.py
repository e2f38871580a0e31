"""Print a table of base / new / H or of metrics, with a row per config."""
from __future__ import annotations

from collections.abc import Sequence

from _sweep.job import Run, is_finished
from dept_mm.evaluation import HALVES, list_metrics, read_result
from dept_mm.reports.summary import format_spread, summarize

COLUMNS = (*HALVES, 'H')
Row = dict[str, dict]  # data set -> counts or metrics


def print_table(runs: Sequence[Run], corner: str = '',
                zero_shot: bool = False) -> None:
    """Print mean and standard deviation over the seeds that are finished.

    The columns are base, new and H, or the metrics of the tasks.

    Args:
        runs (Sequence[Run]): The runs.
        corner (str): What stands above the names of the rows.
        zero_shot (bool): Whether the runs of the first row tell zero-shot
            CLIP's accuracy, in a row of its own. Defaults to False.
    """
    members: dict[str, list[Run]] = {}
    for run in runs:
        members.setdefault(run.row, []).append(run)
    rows: list[tuple[str, list[dict[str, float]]]] = []
    for i, (name, own) in enumerate(members.items()):
        results = [read_result(r.work_dir)['results'] for r in own
                   if is_finished(r)]
        if zero_shot and i == 0 and 'zero-shot' in (results or [{}])[0]:
            rows.append(('zero-shot', [_measured(r['zero-shot'])
                                       for r in results]))
        if len(results) < len(own):
            name += f' ({len(results)} of {len(own)} seeds)'
        rows.append((name, [_measured(r['tuned']) for r in results]))
    found = list(dict.fromkeys(
        metric for _, seeds in rows for seed in seeds for metric in seed))
    columns = COLUMNS if set(found) <= set(HALVES) else found
    print('\n| ' + ' | '.join([corner, *columns]) + ' |\n'
          + '|---' * (len(columns) + 1) + '|')
    for name, seeds in rows:
        print(table_row(name, seeds, columns))


def _measured(row: Row) -> dict[str, float]:
    """Return what was measured on the first data set, the run's own."""
    return list_metrics(next(iter(row.values())))


def table_row(name: str, seeds: Sequence[dict[str, float]],
              columns: Sequence[str]) -> str:
    """Write a row: H is that of the means, as published tables print it.

    Args:
        name (str): Name of the row.
        seeds (Sequence[dict]): Metric -> value, for each seed.
        columns (Sequence[str]): The metrics to print, with a dash where one
            was not measured.
    """
    series: dict[str, dict[int, float]] = {}
    for seed, values in enumerate(seeds):
        for metric, value in values.items():
            series.setdefault(metric, {})[seed] = value
    spreads = summarize(series)
    return f'| {name} | ' + ' | '.join(
        format_spread(spreads.get(key)) for key in columns) + ' |'
