"""What a training says when it ends: its table, and what to do next."""
from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmpretrain.models import MultiLabelClsHead

from dept_mm.evaluation import HALVES, harmonic_mean, list_metrics
from dept_mm.registry import MODELS

ROWS = ('zero-shot', 'tuned')


def format_result(result: Mapping) -> str:
    """Format the accuracies of a run, and their change against zero-shot.

    Args:
        result (Mapping): Content of its ``result.json``.

    Returns:
        str: A table with rows for each data set, in %; ``''`` if nothing was
        measured.
    """
    rows = result['results']
    lines: dict[str, dict[str, float]] = {}
    for data in rows.get('tuned', ()):
        found = {row: _measures(rows[row][data]) for row in ROWS
                 if data in rows.get(row, ())}
        if len(found) == 2:
            before, after = found.values()
            found['change'] = {key: value - before[key] for key, value
                               in after.items() if key in before}
        several = f'{data} ' if len(rows['tuned']) > 1 else ''
        lines |= {f'{several}{row}': one for row, one in found.items()}
    columns = list(dict.fromkeys(key for one in lines.values() for key in one))
    if not columns:
        return ''
    # Where no class is new, base is all.
    heads = ['all' if columns == [HALVES[0]] else key for key in columns]
    widths = [max(8, len(head) + 2) for head in heads]
    first = max(map(len, lines)) + 2
    table = [' ' * first + ''.join(
        f'{head:>{width}}' for head, width in zip(heads, widths, strict=True))]
    for label, values in lines.items():
        sign = '+' if label.endswith('change') else ''
        table.append(f'{label:<{first}}' + ''.join(
            f'{values[key]:{sign}{width}.2f}' if key in values
            else f'{"-":>{width}}'
            for key, width in zip(columns, widths, strict=True)))
    return '\n'.join(table)


def _measures(found: Mapping) -> dict[str, float]:
    """Return accuracies or metrics in %, with H where both halves are."""
    values = list_metrics(found)
    if values.keys() == {*HALVES}:
        values['H'] = harmonic_mean(**values)
    return values


def describe_selection(result: Mapping) -> str:
    """Say what chose the epoch that was tested; ``''`` for the last epoch."""
    chosen = result.get('selection')
    if not chosen:
        return ''
    unit = 'epoch' if 'epoch' in chosen else 'step'
    return (f'{unit} {chosen[unit]}, chosen on split {chosen["split"]!r} '
            f'({chosen["metric"]} {chosen["score"]:.2f})')


def list_commands(work_dir: Path, tools: Path, name: str,
                  inputs: Sequence[str] = ('photo.png', ),
                  reported: bool = True) -> Iterator[str]:
    """List commands that use what a run has left in its work dir.

    Args:
        work_dir (Path): The work dir.
        tools (Path): The folder of the tools.
        name (str): Name of the config.
        inputs (Sequence[str]): What ``predict.py`` gets; nothing if it has no
            use for the model. Defaults to an image.
        reported (bool): Whether there is a report. Defaults to True.
    """
    if inputs:
        yield _command(tools / 'predict.py', work_dir, *inputs)
    if reported:
        yield _command(tools / 'report.py', work_dir)
    if any(work_dir.glob('*.pth')):
        yield _command(tools / 'publish_model.py', work_dir,
                       work_dir / f'{name}.safetensors')


def choose_inputs(model: Mapping) -> list[str]:
    """Choose what ``predict.py`` could be given for the config of a model;
    nothing where an image may have several labels."""
    if 'backbone' not in model:
        return ['--files', 'texts.csv']
    head = (model.get('head') or {}).get('type', object)
    if isinstance(head, str):
        head = MODELS.get(head) or object
    return [] if issubclass(head, MultiLabelClsHead) else ['photo.png']


def _command(*parts: str | Path) -> str:
    return shlex.join(['python', *map(_shorten, parts)])


def _shorten(path: str | Path) -> str:
    """Write a path from here, unless that leads through folders above."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative
