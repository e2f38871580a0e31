"""Turn a command line into the runs of a sweep."""
from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from train import merge_args, parse_args

from _sweep.job import Run
from dept_mm.cli.arguments import load_config
from dept_mm.config import config_fingerprint
from dept_mm.errors import DeptError

SHOTS = 'train_dataloader.dataset.num_shots'
# What a run gets from the sweep, not from the options for all runs.
OWN = ('--work-dir', '--seed', '--dataset', '--protocol', '--launcher',
       '--resume')


class Point(NamedTuple):
    """A point of the grid; None leaves the choice to the config."""
    config: str
    dataset: str | None
    protocol: str | None
    shots: int | None
    options: tuple[tuple[str, str], ...]
    seed: int

    def label(self, short: bool = False) -> list[str]:
        """Describe this point without its seed; ``short`` is for the name of a
        folder."""
        # Two folders may hold configs of one name, e.g. quickstart.
        parts = ['-'.join(Path(self.config).with_suffix('').parts[-2:])
                 if short else self.config]
        if self.dataset is not None:
            parts.append(f'on {Path(self.dataset).stem}')
        if self.protocol is not None:
            parts.append(Path(self.protocol).stem)
        if self.shots is not None:
            parts.append(f'{self.shots} shots')
        for key, value in self.options:
            parts.append(f'{key.rpartition(".")[2]}={_shorten(value)}'
                         if short else f'{key}={value}')
        return parts

    def arguments(self) -> tuple[str, ...]:
        """Return its arguments for ``tools/train.py``."""
        options = [f'{key}={value}' for key, value in self.options]
        if self.shots is not None:
            options.append(f'{SHOTS}={self.shots}')
        choices = [word for kind in ('dataset', 'protocol')
                   if (name := getattr(self, kind))
                   for word in (f'--{kind}', name)]
        return (self.config, '--seed', str(self.seed), *choices,
                *(['--cfg-options', *options] if options else []))


def expand(configs: Sequence[str], datasets: Sequence[str],
           protocols: Sequence[str], shots: Sequence[int],
           seeds: Sequence[int], settings: Sequence[str]) -> list[Point]:
    """List all points of the grid, with the seeds of one beside each other."""
    values = [parse_setting(text) for text in settings]
    return [Point(*point, sum(chosen, ()), seed)
            for *point, chosen, seed in product(
                configs, datasets or [None], protocols or [None],
                shots or [None], product(*values), seeds)]


def parse_setting(text: str) -> list[tuple[tuple[str, str], ...]]:
    """Read ``key=v1,v2``; several keys, ``a,b=v1,v2``, change together.

    Commas inside brackets and quotes belong to the value.

    Returns:
        list: For each value, pairs of key and value.

    Raises:
        DeptError: If it is not of this form.
    """
    keys, found, rest = text.partition('=')
    values = _split(rest)
    if not found or not all(values) or not all(keys.split(',')):
        raise DeptError(f'--set {text}: write key=value1,value2, or '
                        'key1,key2=value1,value2 for keys that change '
                        'together.')
    return [tuple((key, value) for key in keys.split(','))
            for value in values]


def _split(text: str) -> list[str]:
    """Split at commas outside brackets and quotes."""
    parts, depth, quote = [''], 0, ''
    for character in text:
        if quote:
            quote = '' if character == quote else quote
        # Elsewhere it is an apostrophe.
        elif character in '\'"' and (depth or not parts[-1]):
            quote = character
        else:
            depth += (character in '[({') - (character in '])}')
        if character == ',' and depth == 0 and not quote:
            parts.append('')
        else:
            parts[-1] += character
    return parts


def _shorten(value: str) -> str:
    """Leave out what all dicts have in common, and the end of a long value.
    """
    value = re.sub(r""",?\s*['"]?_delete_['"]?\s*[=:]\s*True""", '', value)
    return re.sub(r"""dict\(|['"]?type['"]?\s*[=:]\s*|['"(){}\[\]]""", '',
                  value)[:40]


def make_runs(points: Sequence[Point], root: Path, options: Sequence[str],
              processes: int = 1) -> list[Run]:
    """Resolve the config of each point, as ``tools/train.py`` does.

    Two points with one resolved config are one run, and the folder of a
    config is found again whatever the sweep was that made it.

    Raises:
        DeptError: If an option is the sweep's own, or a config is wrong.
    """
    for option in options:
        if option.split('=')[0] in OWN:
            raise DeptError(f'{option} is set by the sweep itself; see '
                            '--root, --seeds, --datasets, --protocols and '
                            '--processes.')
        if option == '--dry-run':
            raise DeptError('--dry-run leaves no result: give it to '
                            'tools/train.py.')
    folders = {path.name.rpartition('-')[2]: path
               for path in sorted(root.glob('*-*'))}
    runs = []
    for point in points:
        arguments = (*point.arguments(), *options)
        args = parse_args(arguments)
        cfg = load_config(args)
        merge_args(cfg, args)
        fingerprint = config_fingerprint(cfg)
        # More processes make larger batches, which no config says.
        key = fingerprint[:8] + (f'x{processes}' if processes > 1 else '')
        name = '_'.join([*point.label(short=True), f'seed{point.seed}'])
        name = re.sub(r'[^\w=.+-]+', '-', name)[:200]
        runs.append(Run(
            ', '.join(point.label()), point.seed,
            folders.setdefault(key, root / f'{name}-{key}'), fingerprint,
            arguments, processes))
    return runs
