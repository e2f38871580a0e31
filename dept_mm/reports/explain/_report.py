"""The facts about a config as plain text, at most 100 columns wide."""
from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from dept_mm.reports.explain._parameters import collapse_names

WIDTH = 100
COLUMNS = 3  # parameter groups side by side
ROWS = 20
PER = {None: 'one for all', 'class': 'one per class',
       'image': 'one per image', 'input': 'one per text',
       'token': 'one per token', 'block': 'one per block',
      'image and class': 'one per image and class'}


def format_report(facts: dict) -> str:
    """Format the facts that ``explain`` has collected.

    Args:
        facts (dict): Its return value.

    Returns:
        str: The report.
    """
    sections = [_format_head(facts), _format_layout(facts['layout']),
                _format_parameters(facts['parameters']),
                _format_training(facts['training']),
                _format_rates(facts['training']),
                _format_cost(facts['training']),
                _format_evaluation(facts['evaluation'])]
    return '\n\n'.join('\n'.join(lines) for lines in map(list, sections)
                       if lines)


def _format_head(facts: dict) -> Iterator[str]:
    yield from _wrap('', ', '.join(
        f'{key} {value}' for key, value in facts['model'].items() if value))
    for note in facts['notes']:
        yield from _wrap('note: ', note)


def _format_layout(layout: dict) -> Iterator[str]:
    text, image = layout.get('text'), layout.get('image')
    if language := layout.get('language'):
        yield f'LANGUAGE MODEL  {_format_size(language)}'
        yield from _format_layers(language)
    if text:
        yield (f'TEXT TOWER  {_format_size(text)}; {text["classes"]} classes '
               'in training')
        # A causal tower computes equal beginnings once.
        yield (f'  {text["once"]} tokens computed once for all classes, '
               f'{text["each"]} of their own')
        if text['templates'] > 1:
            yield (f'  the first of {text["templates"]} templates; their '
                   'features are averaged')
        yield from _format_layers(text)
    if image:
        if text:
            yield ''
        yield f'IMAGE TOWER  {image["kind"]}, {_format_size(image)}'
        yield from _format_layers(image)


def _format_size(tower: dict) -> str:
    if tower['blocks'] is None:
        return 'it takes no prompts'
    return f'{tower["blocks"]} blocks of width {tower["width"]}'


def _format_layers(tower: dict) -> Iterator[str]:
    for layer in tower['layers']:
        first, last = layer['first'], layer['last']
        where = f'block {first}' if first == last else f'{first} to {last}'
        tokens = ' '.join(f'[{_format_token(t)}]' for t in layer['tokens'])
        tokens += f' = {_format_span(layer["length"])} tokens'
        yield from _wrap(f'  {where:10s} ', tokens)
        # A context that is split around the class name is described once.
        told = dict.fromkeys(map(_format_origin, layer['tokens']))
        for origin in told:
            if origin:
                yield from _wrap(' ' * 15, origin)
        if layer['inside']:
            yield from _wrap(' ' * 15, 'learned inside: '
                             + ', '.join(layer['inside']))
    if tower['offset']:
        yield from _wrap('  ', _format_origin(tower['offset'])
                         + ', added to '
                         f'{_format_span(tower["offset"]["count"])} own '
                         'tokens before block 0')


def _format_token(token: dict) -> str:
    count = ('' if token['count'] == [1, 1]
             else f' x {_format_span(token["count"])}')
    state = '' if token['state'] == 'frozen' else f': {token["state"]}'
    return (f'{token["name"]}{count}{state}'
            f'{", new" if token["new"] else ""}')


def _format_origin(token: dict) -> str:
    if not token['sources']:
        return ''
    how = 'from' if token['state'] == 'computed' else 'is'
    return (f'{token["name"]} {how} '
            f'{", ".join(collapse_names(token["sources"]))}, '
            f'{PER[token["per"]]}')


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
        yield from _wrap(f'  group {i}: ', names)
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
        yield from _wrap('  ', flop)
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
        yield from _wrap('  ', flop)
        return
    for part, count in flop.items():
        if count:
            yield f'  {part:14s}{_format_flop(count):>14s}'


def _wrap(start: str, text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=start,
                         subsequent_indent=' ' * len(start),
                         break_long_words=False)


def _format_span(pair: list[int]) -> str:
    least, most = pair
    return str(least) if least == most else f'{least}-{most}'


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
