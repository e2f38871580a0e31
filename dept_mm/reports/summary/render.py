"""Tables as text: Markdown, CSV or LaTeX."""
from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dept_mm.reports.summary.published import AVERAGE, load_published_tables
from dept_mm.reports.summary.statistics import KINDS, Spread
from dept_mm.reports.summary.tables import Table

HALVES_NOTE = (
    "Top-1 accuracy in %. H is that of the means of base and new over seeds "
    "(and data sets), as in published tables; 'mean of H' is the mean of the "
    "seeds' own H.")
TASKS_NOTE = 'Metrics of each task, multiplied by 100.'
AVERAGE_NOTE = 'An average is over seeds that all its data sets have.'


def render(tables: Sequence[Table], form: str, kind: str = 'std') -> str:
    """Format tables as text.

    Args:
        tables (Sequence[Table]): The tables.
        form (str): 'markdown', 'csv' or 'latex'. CSV has one line per number,
            with mean, standard deviation and both ends of the 95 % interval.
        kind (str): What Markdown and LaTeX give behind the mean; see
            ``Spread.around``. Defaults to 'std'.

    Returns:
        str: The text.
    """
    if form == 'csv':
        return _format_csv(tables)
    return '\n'.join(_format_table(table, form, kind)
                     for table in tables)


def _format_table(table: Table, form: str, kind: str) -> str:
    shown = list_heads(table)
    head = ['method', *shown.values()]
    plus_minus, minus = ('±', '-') if form == 'markdown' else (r'$\pm$', '--')
    body = [[row.label] + [
        format_spread(row.cells.get(key), kind, plus_minus, minus)
        for key in shown] for row in table.rows]
    note = HALVES_NOTE if 'base' in table.metrics else TASKS_NOTE
    caption = (f'{table.title}; ± {KINDS[kind]} over seeds. {note} '
               f'{AVERAGE_NOTE}')
    return (_format_markdown if form == 'markdown' else _format_latex)(
        table, caption, head, body)


def list_heads(table: Table) -> dict[tuple[str, str], str]:
    """List the (column, metric) that a table shows, with their headings."""
    return {
        (column, metric): f'{_format_column(table, column)} '
        f'{_format_metric(table, metric)}'.strip()
        for column in table.columns for metric in table.metrics
        if any((column, metric) in row.cells for row in table.rows)}


def _format_column(table: Table, column: str) -> str:
    many = column == AVERAGE
    return f'average of {len(table.averaged)}' if many else column


def _format_metric(table: Table, metric: str) -> str:
    """Return the name of a metric, or '' for the accuracy on all classes."""
    return '' if list(table.metrics) == ['base'] else metric


def format_spread(value: Spread | None, kind: str = 'std',
                  plus_minus: str = '±', none: str = '-') -> str:
    """Write a mean with its ``Spread.around(kind)``."""
    if value is None:
        return none
    spread = value.around(kind)
    around = '' if spread is None else f' {plus_minus} {spread:.2f}'
    return f'{value.mean:.2f}{around}'


def list_sources(table: Table) -> list[str]:
    """List the sources of the published rows in a table."""
    labels = [r.method for r in table.rows if r.kind == 'published']
    return [f'{name}: {known["title"]}. {known["source"]}.'
            for name, known in load_published_tables().items()
            if any(label.endswith(f'({name})') for label in labels)]


def _format_markdown(table: Table, caption: str, head: list[str],
              body: list[list[str]]) -> str:
    lines = [f'### {caption}', '', *(
        '| ' + ' | '.join(cells) + ' |'
        for cells in (head, ['---'] * len(head), *body))]
    sources = list_sources(table)
    return '\n'.join(lines + [''] * bool(sources)
                     + [f'* {source}' for source in sources]) + '\n'


def _format_latex(table: Table, caption: str, head: list[str],
           body: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return ' & '.join(c.replace('_', r'\_') for c in cells) + r' \\'

    notes = [caption, *list_sources(table)]
    return '\n'.join([
        *(f'% {note}' for note in notes),
        r'\begin{tabular}{l' + 'r' * (len(head) - 1) + '}', r'\hline',
        line(head), r'\hline', *map(line, body), r'\hline',
        r'\end{tabular}']) + '\n'


def _format_csv(tables: Sequence[Table]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['table', 'row', 'kind', 'column', 'metric', 'mean',
                     'std', 'low', 'high', 'seeds'])
    for table in tables:
        for row in table.rows:
            for (column, metric), v in row.cells.items():
                half = v.half_width
                writer.writerow([
                    table.title, row.label, row.kind,
                    _format_column(table, column),
                    _format_metric(table, metric) or 'all', f'{v.mean:.4f}', *(
                        '' if half is None else f'{number:.4f}' for number in (
                            v.std, v.mean - (half or 0),
                            v.mean + (half or 0))), v.n])
    return text.getvalue()
