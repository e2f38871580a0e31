"""Train configs over seeds and print one table of base / new / H.

    python tools/compare.py CONFIG [CONFIG ...] --seeds 1 2 3
        [--work-dir DIR] [options of tools/train.py]

Each config is trained with each seed. A run whose result is already in the
work dir is not repeated. Options that this script does not know, such as
--cfg-options, are passed to every run.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

from dept_mm.cli.arguments import add_choice_options
from dept_mm.config import CHOICES
from dept_mm.evaluation import accuracy, harmonic_mean, read_result
from dept_mm.evaluation.results import FILE


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--work-dir', type=Path,
                        default=Path('work_dirs/compare'))
    add_choice_options(parser)
    args, options = parser.parse_known_args()
    for kind in CHOICES:
        name = getattr(args, kind)
        if name:
            args.work_dir /= Path(name).stem
            options += [f'--{kind}', name]
    return args, options


def train_and_read(config: str, seed: int, folder: Path, options: list[str]
                   ) -> dict:
    """Train, unless a result exists, and return its counts by row and half."""
    # Two folders may hold configs of one name, e.g. quickstart.
    name = '-'.join(Path(config).with_suffix('').parts[-2:])
    work_dir = folder / f'{name}-seed{seed}'
    if not (work_dir / FILE).is_file():
        train = Path(__file__).with_name('train.py')
        print(f'{config}, seed {seed} -> {work_dir}', flush=True)
        subprocess.run(
            [sys.executable, str(train), config, '--seed', str(seed),
             '--work-dir', str(work_dir), *options],
            check=True, stdout=subprocess.DEVNULL)
    # The run's own data set stands first.
    return {name: next(iter(row.values()))
            for name, row in read_result(work_dir)['results'].items()}


def format_row(name: str, runs: list[dict]) -> str:
    """Format mean and standard deviation over seeds as a row of the table.

    H is that of the means, as in published tables. A dash stands for a half
    that was not measured.
    """
    cells, means = [], []
    for half in ('base', 'new'):
        values = [accuracy(r[half]) for r in runs if half in r]
        if not values:
            cells.append('-')
            continue
        means.append(mean(values))
        spread = f' ± {stdev(values):.2f}' if len(values) > 1 else ''
        cells.append(f'{means[-1]:.2f}{spread}')
    cells.append(f'{harmonic_mean(*means):.2f}' if len(means) == 2 else '-')
    return '| ' + ' | '.join([name, *cells]) + ' |'


def main() -> None:
    args, options = parse_args()
    results = {c: [train_and_read(c, s, args.work_dir, options)
                   for s in args.seeds]
               for c in args.configs}
    print(f'\n| seeds {args.seeds} | base | new | H |\n|---|---|---|---|')
    zero_shot = [r['zero-shot'] for r in next(iter(results.values()))
                 if 'zero-shot' in r]
    if zero_shot:
        print(format_row('zero-shot', zero_shot))
    for config, runs in results.items():
        print(format_row(config, [r['tuned'] for r in runs]))


if __name__ == '__main__':
    main()
