"""Print a table of base / new / H, with a row for each config."""
from __future__ import annotations

from collections.abc import Sequence

from _sweep.job import Run, is_finished
from dept_mm.evaluation import accuracy, read_result
from dept_mm.reports.summary import format_spread, summarize

Counts = dict[str, dict]  # half -> correct and total


def print_table(runs: Sequence[Run], corner: str = '',
                zero_shot: bool = False) -> None:
    """Print mean and standard deviation over the seeds that are finished.

    Args:
        runs (Sequence[Run]): The runs.
        corner (str): What stands above the names of the rows.
        zero_shot (bool): Whether the runs of the first row tell zero-shot
            CLIP's accuracy, in a row of its own. Defaults to False.
    """
    rows: dict[str, list[Run]] = {}
    for run in runs:
        rows.setdefault(run.row, []).append(run)
    print(f'\n| {corner} | base | new | H |\n|---|---|---|---|')
    for i, (name, members) in enumerate(rows.items()):
        results = [read_result(r.work_dir)['results'] for r in members
                   if is_finished(r)]
        if zero_shot and i == 0 and 'zero-shot' in (results or [{}])[0]:
            print(table_row('zero-shot', [r['zero-shot'] for r in results]))
        if len(results) < len(members):
            name += f' ({len(results)} of {len(members)} seeds)'
        print(table_row(name, [r['tuned'] for r in results]))


def table_row(name: str, results: Sequence[dict[str, Counts]]) -> str:
    """Write a row: H is that of the means, as published tables print it.

    Args:
        name (str): Of the row.
        results (Sequence[dict]): Of each seed, data set -> counts; the
            first data set, which is the run's own, counts. A dash stands
            where a half was not measured.
    """
    found = [next(iter(result.values())) for result in results]
    series = {half: {seed: accuracy(counts[half])
                     for seed, counts in enumerate(found) if half in counts}
              for half in ('base', 'new')}
    spreads = summarize({k: v for k, v in series.items() if v})
    return f'| {name} | ' + ' | '.join(
        format_spread(spreads.get(key)) for key in ('base', 'new', 'H')) + ' |'
