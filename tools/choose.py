"""Choose a method for a data set on validation images.

    python tools/choose.py DATA [--clip NAME] [--shots 16] [--seeds 1]
        [--keep 2] [--root DIR] [--dry-run] [options of tools/train.py]

Methods that leave the image tower as it is are trained on stored features
first, of one view of each image. The best --keep of them are then trained in
full, and so are the methods that change the image tower. All have DePT's
common recipe. No test image is read. What is finished is not repeated. See
docs/sweeps.md.
"""
from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from _choose.methods import CONFIGS, METHODS, Method
from _choose.outcome import draw_rows, make_row, print_rows, sort_rows
from _sweep.grid import Point, expand, make_runs
from _sweep.job import LOG, Job, Run, is_finished
from train import parse_args as parse_training

from dept_mm.cli.arguments import load_config, user_errors
from dept_mm.errors import DeptError
from dept_mm.models.clip.spec import architecture
from dept_mm.reports.html import try_report
from dept_mm.reports.summary.tables import Row

TRAIN = Path(__file__).resolve().with_name('train.py')
# The own recipes of some methods are too few steps on a small data set.
COMMON = ['--recipe', 'dept_clean_10e',
          '--cfg-options', 'train_dataloader.batch_size=4']
VALIDATION = ['--cfg-options', 'val_dataloader.dataset.split=val',
              'test_dataloader.dataset.split=val']
STORED = ['--cache-features', '1']


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('dataset', metavar='DATA', help='as --dataset of tools/train.py')
    add('--clip', metavar='NAME', help='as --clip of tools/train.py')
    add('--shots', type=int, default=16, metavar='N',
        help='training images per class (default: %(default)s)')
    add('--seeds', type=int, nargs='+', default=[1], metavar='N')
    add('--keep', type=int, default=2, metavar='N',
        help='how many of the first list are trained in full (default: '
        '%(default)s)')
    add('--root', type=Path, default=Path('work_dirs/choose'),
        help='folder of the work dirs (default: %(default)s)')
    add('--dry-run', action='store_true',
        help='print the commands of the trainings, and train nothing')
    args, options = parser.parse_known_args()
    if args.keep < 0:
        raise DeptError(f'--keep {args.keep} must not be negative.')
    if args.clip is not None:
        options = ['--clip', args.clip, *options]
    return args, [*COMMON, *options]


def list_points(method: Method, args: argparse.Namespace,
                options: Sequence[str]) -> list[Point]:
    """List the runs of a method, with block numbers that the CLIP has."""
    config = str(CONFIGS / method.config)
    cuts = []
    if method.blocks:
        cfg = load_config(parse_training(
            [config, '--dataset', args.dataset, *options]))
        found = architecture(cfg.model.backbone.clip)
        # A ResNet has a list here; the method itself refuses it.
        layers = min(n for tower in ('text_cfg', 'vision_cfg') if isinstance(
            n := found[tower].get('layers', 12), int))
        cuts = [f'{key}={layers}' for key, value in method.blocks.items()
                if value > layers]
    return expand([config], [args.dataset], [], [args.shots], args.seeds,
                  cuts)


def plan(methods: Sequence[Method], args: argparse.Namespace,
         options: Sequence[str], stored: bool) -> dict[Method, list[Run]]:
    """Resolve the runs of methods, on stored features or in full."""
    extra = [*VALIDATION, *(STORED if stored else [])]
    return {method: make_runs(list_points(method, args, options),
                              find_root(args, stored), [*options, *extra])
            for method in methods}


def find_root(args: argparse.Namespace, stored: bool) -> Path:
    """Return the folder of a stage: one page cannot mix two recipes."""
    return (args.root.absolute() / Path(args.dataset).stem
            / ('stored' if stored else 'full'))


def train(plans: dict[Method, list[Run]], stored: bool) -> list[Row]:
    """Train one run after the other, so that seconds can be compared."""
    rows = []
    for method, runs in plans.items():
        label = method.name + (' on stored features' if stored else '')
        for run in runs:
            if not is_finished(run):
                print(f'{label}, seed {run.seed} -> {run.work_dir}',
                      flush=True)
                code = Job(run, str(TRAIN))()
                if not is_finished(run):
                    print(f'No result, exit code {code}; see '
                          f'{run.work_dir / LOG}', file=sys.stderr)
        rows.append(make_row(label, method.name, runs))
    return sort_rows(rows)


def print_plan(plans: dict[Method, list[Run]]) -> None:
    for runs in plans.values():
        for run in runs:
            print(shlex.join(Job(run, str(TRAIN)).command()))


def main() -> None:
    args, options = parse_args()
    frozen = [method for method in METHODS if method.frozen_image]
    others = [method for method in METHODS if not method.frozen_image]
    short = plan(frozen, args, options, True)
    full = plan(others, args, options, False)
    if args.dry_run:
        print_plan(short)
        print(f'# and the best {args.keep} of these in full, and')
        print_plan(full)
        return
    first = train(short, True)
    names = [row.method for row in first[:args.keep]]
    best = [method for method in frozen if method.name in names]
    second = train(plan(best, args, options, False) | full, False)
    rows = sort_rows([*first, *second])
    if not second:
        sys.exit('No method has a result in full; the logs say why.')
    print_rows(rows)
    plot = args.root / Path(args.dataset).stem / 'costs.png'
    draw_rows(rows, f'{Path(args.dataset).stem}, {args.shots} shots', plot)
    print(f'\nPlot: {plot}')
    for stored in (True, False):
        if page := try_report(find_root(args, stored)):
            print(f'Report, for a browser: {page}')
    chosen = next(m for m in METHODS if m.name == second[0].method)
    point = list_points(chosen, args, options)[0]
    print(f'\n{chosen.name} is best. To train it and measure test images:')
    print(shlex.join(['python', str(TRAIN), *point.arguments(), *options]))


if __name__ == '__main__':
    with user_errors():
        main()
