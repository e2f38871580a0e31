"""How a run was made, what it cost, and the commands that repeat it."""
from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dept_mm.cli.ending import describe_selection

# They are told elsewhere, or take half a page.
_LEFT_OUT = ('clip', 'vocabulary', 'pipeline')


def describe_recipe(result: Mapping) -> dict[str, str]:
    """Describe config, data, model and training in a few lines.

    Args:
        result (Mapping): Content of ``result.json``.

    Returns:
        dict[str, str]: What it is -> its value.
    """
    settings = result.get('settings') or {}
    model = settings.get('model') or {}
    frozen = result.get('clip') or result.get('lm') or {}
    train = settings.get('train_dataloader') or {}
    loop = settings.get('train_cfg') or {}
    optimizer = (settings.get('optim_wrapper') or {}).get('optimizer')
    length = [f'{loop[key]} {name}' for key, name in (
        ('max_epochs', 'epochs'), ('max_iters', 'steps')) if loop.get(key)]
    if train.get('batch_size'):
        length.append(f'batches of {train["batch_size"]}')
    found = {
        'config': result.get('config'),
        'data set': result.get('dataset'),
        'protocol': result.get('protocol'),
        'images per class': result.get('shots'),
        'frozen model': frozen.get('name'),
        'prompt': _shorten((model.get('backbone') or {}).get('prompt')
                           or model.get('prompt')),
        'neck': _shorten(model.get('neck')),
        'head': _shorten(model.get('head')),
        'optimizer': _shorten(optimizer),
        'schedule': ', '.join(length),
        'measured weights': describe_selection(result),
        'seed': result.get('seed'),
        'processes': result.get('processes'),
        'device': result.get('device'),
        'resumed': 'yes' if result.get('resumed') else None}
    return {key: str(value) for key, value in found.items()
            if value not in (None, '')}


def _shorten(node: Any) -> str:
    """Write a config as ``Type(option=value)``."""
    if isinstance(node, (list, tuple)):
        return f'[{", ".join(map(_shorten, node))}]'
    if not isinstance(node, Mapping):
        return '' if node is None else str(node)
    options = ', '.join(f'{key}={_shorten(value)}'
                        for key, value in node.items()
                        if key not in ('type', *_LEFT_OUT))
    return f'{node.get("type", "")}({options})'


def describe_cost(result: Mapping, folder: Path) -> dict[str, str]:
    """Describe time, memory and size of a run."""
    seconds = result.get('seconds') or {}
    memory = result.get('peak_memory') or {}
    checkpoint = find_checkpoint(result, folder)
    found = {
        'training': format_seconds(seconds.get('train')),
        'evaluation': format_seconds(seconds.get('evaluation')),
        'zero-shot evaluation': format_seconds(seconds.get('zero_shot')),
        'peak memory of the process': format_bytes(memory.get('process')),
        'peak memory on the GPU': format_bytes(memory.get('cuda')),
        'checkpoint': checkpoint and format_bytes(checkpoint.stat().st_size)}
    return {key: value for key, value in found.items() if value}


def format_seconds(seconds: float | None) -> str:
    """Write a duration; '' if there is none."""
    if not seconds:
        return ''
    if seconds < 100:
        return f'{seconds:.1f} s' if seconds < 10 else f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 100 else (
        f'{minutes // 60} h {minutes % 60} min')


def format_bytes(size: int | None) -> str:
    """Write a number of bytes; '' if there is none."""
    if not size:
        return ''
    for unit in ('bytes', 'KB', 'MB', 'GB'):
        if size < 1000 or unit == 'GB':
            break
        size /= 1000
    return f'{size:.3g} {unit}'


def find_checkpoint(result: Mapping, folder: Path) -> Path | None:
    """Find the checkpoint that was measured: a selected one, or the last."""
    chosen = result.get('selection') or {}
    if chosen.get('checkpoint'):
        path = folder / chosen['checkpoint']
        return path if path.is_file() else None
    pointer = folder / 'last_checkpoint'
    if not pointer.is_file():
        return None
    # The whole folder may have been moved since.
    paths = [Path(pointer.read_text().strip())]
    paths.append(folder / paths[0].name)
    return next((path for path in paths if path.is_file()), None)


def list_commands(result: Mapping, folder: Path) -> Iterator[tuple[str, str]]:
    """List the commands that repeat a run and go on from it.

    MMEngine writes the resolved config into the work dir, with all options of
    the command line in it.

    Yields:
        tuple[str, str]: What a command does, and the command.
    """
    tested = 'tested' in result['results']
    work_dir = folder.parent if tested else folder
    config = max(work_dir.glob('*.py'), default=None,
                 key=lambda path: path.stat().st_mtime)
    checkpoint = (Path(result['loaded']) if tested and result.get('loaded')
                  else find_checkpoint(result, work_dir))
    count = result.get('processes') or 1
    script = 'python tools/{}.py' if count == 1 else 'bash tools/dist_{}.sh'
    many = [] if count == 1 else [str(count)]
    if config and not tested:
        yield 'train again', _join(script.format('train'), config, *many,
                                   '--work-dir', Path(f'{folder}-again'))
    if config and (checkpoint or tested):
        yield 'test', _join(script.format('test'), config,
                            checkpoint or 'none', *many)
    if checkpoint and result.get('clip'):
        yield 'predict', _join('python tools/predict.py', checkpoint,
                               'photo.jpg')
    yield 'make this page again', _join('python tools/report.py', folder)


def _join(start: str, *words: Any) -> str:
    return ' '.join([start, *(
        shlex.quote(shorten_path(word) if isinstance(word, Path) else word)
        for word in words)])


def shorten_path(path: Path) -> str:
    """Write a path below the current folder without that folder."""
    relative = os.path.relpath(path)
    return str(path.absolute()) if relative.startswith('..') else relative
