"""The facts about a config as plain text, at most 100 columns wide."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

from dept_mm.reports.explain._layout_report import format_layout, wrap
from dept_mm.reports.explain._parameters import collapse_names

COLUMNS = 3  # parameter groups side by side
ROWS = 20


def format_report(facts: dict) -> str:
    """Format the facts that ``explain`` has collected.

    Args:
        facts (dict): Its return value.

    Returns:
        str: The report.
    """
    sections = [_format_head(facts), format_layout(facts['layout']),
                _format_parameters(facts['parameters']),
                _format_training(facts['training']),
                _format_rates(facts['training']),
                _format_cost(facts['training']),
                _format_evaluation(facts['evaluation'])]
    return '\n\n'.join('\n'.join(lines) for lines in map(list, sections)
                       if lines)


def _format_head(facts: dict) -> Iterator[str]:
    yield from wrap('', ', '.join(
        f'{key} {value}' for key, value in facts['model'].items() if value))
    for note in facts['notes']:
        yield from wrap('note: ', note)


def _format_parameters(table: dict) -> Iterator[str]:
    yield (f'LEARNED  {table["learned_count"]:,} parameters; frozen '
           f'{table["frozen_count"]:,}')
    for owner, rows in groupby(table['learned'], lambda r: r['owner']):
        rows = {row['name']: row for row in rows}
        total = sum(row['count'] for row in rows.values())
        yield f'  {owner:58s} {total:>13,}'
        shapes = {name: tuple(row['shape']) for name, row in rows.items()}
        for name, group in _first(collapse_names(rows, shapes.get)):
            if not group:
                yield f'    {name}'
                continue
            shape = ' x '.join(map(str, shapes[group[0]]))
            if len(group) > 1:
                shape = f'{len(group)} of {shape}'
            count = sum(rows[n]['count'] for n in group)
            dtype = rows[group[0]]['dtype']
            yield f'    {name:35s} {shape:>20s} {count:>13,}  {dtype}'


def _first(groups: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """Return the first groups only: a whole backbone would have too many."""
    yield from islice(groups.items(), ROWS)
    if len(groups) > ROWS:
        yield f'and {len(groups) - ROWS} more', []


def _format_training(training: dict | None) -> Iterator[str]:
    if training is None:
        return
    batch = training['batch_size']
    yield (f'TRAINING  {training["steps"]:,} steps: {training["epochs"]} '
           f'epochs of {training["steps_per_epoch"]:,}')
    yield (f'  {training["images"]:,} samples; {batch} to a step, on each '
           f'process; processes: {training["processes"]}')
    if training['accumulate'] > 1:
        yield f'  gradients of {training["accumulate"]} steps are added up'
    if training['classes'] is not None:
        yield f'  {training["classes"]} classes are encoded in each step'


def _format_rates(training: dict | None) -> Iterator[str]:
    if training is None:
        return
    groups = training['groups']
    yield 'LEARNING RATE  first and last step of each epoch'
    for i, group in enumerate(groups, start=1):
        names = ', '.join(
            name for name, _ in _first(collapse_names(group['parameters'])))
        yield from wrap(f'  group {i}: ', names)
        yield (f'    weight decay {group["weight_decay"]}, momentum '
               f'{group["momentum"]}')
    for start in range(0, len(groups), COLUMNS):
        yield from _format_rate_table(groups[start:start + COLUMNS], start)


def _format_rate_table(groups: list[dict], start: int) -> Iterator[str]:
    """Format some groups side by side, with at most about 20 of the epochs."""
    yield '  epoch ' + ''.join(f'{f"group {start + i}":>24s}'
                               for i in range(1, len(groups) + 1))
    epochs = len(groups[0]['lr'])
    every = -(-epochs // ROWS)
    for epoch in range(epochs):
        if epoch % every == 0 or epoch == epochs - 1:
            pairs = (group['lr'][epoch] for group in groups)
            cells = (f'{first:.3e}' if first == last
                     else f'{first:.3e} to {last:.3e}'
                     for first, last in pairs)
            yield f'  {epoch + 1:5d} ' + ''.join(f'{c:>24s}' for c in cells)


def _format_cost(training: dict | None) -> Iterator[str]:
    if training is None:
        return
    flop = training['flop']
    if isinstance(flop, str):
        yield 'A TRAINING STEP'
        yield from wrap('  ', flop)
    else:
        total = sum(row['forward'] + row['backward'] for row in flop.values())
        yield (f'A TRAINING STEP  {_format_flop(total)}; all of training '
               f'{_format_flop(total * training["steps"])} in each process')
        yield f'  {"":14s}{"forward":>14s}{"backward":>14s}'
        for part, row in flop.items():
            if row['forward'] or row['backward']:
                yield (f'  {part:14s}{_format_flop(row["forward"]):>14s}'
                       f'{_format_flop(row["backward"]):>14s}')
    memory = training['memory']
    yield ''
    yield (f'MEMORY  about {_format_bytes(sum(memory.values()))} in each '
           'process, without what passes through')
    for part, size in memory.items():
        yield f'  {part:24s}{_format_bytes(size):>12s}'
    if training['files']:
        yield ''
        yield 'FILES  of ' + ', '.join(
            f'{what} {size / 1000:,.0f} KB'
            for what, size in training['files'].items())


def _format_evaluation(evaluation: dict | None) -> Iterator[str]:
    if evaluation is None:
        return
    flop = evaluation['flop']
    classes = evaluation['classes']
    total = ('' if isinstance(flop, str)
             else f'  {_format_flop(sum(flop.values()))}')
    yield f'AN EVALUATION{total}'
    among = '' if classes is None else f' among {classes} classes'
    yield (f'  {evaluation["images"]:,} samples{among}, '
           f'{evaluation["batch_size"]} to a batch')
    if isinstance(flop, str):
        yield from wrap('  ', flop)
        return
    for part, count in flop.items():
        if count:
            yield f'  {part:14s}{_format_flop(count):>14s}'


def _format_flop(count: float) -> str:
    return _format_scaled(
        count, 1000, ('', 'K', 'M', 'G', 'T', 'P', 'E'), 'FLOP')


def _format_bytes(count: float) -> str:
    return _format_scaled(count, 1024, ('', 'Ki', 'Mi', 'Gi', 'Ti'), 'B')


def _format_scaled(count: float, base: int, prefixes: tuple[str, ...],
                   unit: str) -> str:
    power = 0
    while count >= base and power < len(prefixes) - 1:
        count, power = count / base, power + 1
    digits = 0 if not power else 1 if count >= 100 else 2
    return f'{count:,.{digits}f} {prefixes[power]}{unit}'
