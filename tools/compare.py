"""Train configs over seeds and print one table of base / new / H.

    python tools/compare.py CONFIG [CONFIG ...] --seeds 1 2 3
        [--work-dir DIR] [options of tools/train.py]

Each config is trained with each seed, one run after the other; tools/sweep.py
trains several at once. A run whose result is already in the work dir is not
repeated. Options that this script does not know, such as --cfg-options, are
passed to every run.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _sweep.grid import expand, make_runs
from _sweep.job import LOG, Job, is_finished
from _sweep.table import print_table

from dept_mm.cli.arguments import user_errors

TRAIN = Path(__file__).resolve().with_name('train.py')


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--work-dir', type=Path,
                        default=Path('work_dirs/compare'))
    for kind in ('dataset', 'protocol'):
        parser.add_argument(f'--{kind}', help='as in tools/train.py')
    return parser.parse_known_args()


def main() -> None:
    args, options = parse_args()
    points = expand(args.configs, [args.dataset], [args.protocol], [],
                    args.seeds, [])
    runs = make_runs(points, args.work_dir.absolute(), options)
    for run in runs:
        if not is_finished(run):
            print(f'{run.row}, seed {run.seed} -> {run.work_dir}', flush=True)
            code = Job(run, str(TRAIN))()
            if not is_finished(run):
                why = ('another process trains it' if code is None
                       else f'exit code {code}')
                sys.exit(f'No result, {why}; see {run.work_dir / LOG}')
    print_table(runs, f'seeds {args.seeds}', zero_shot=True)


if __name__ == '__main__':
    with user_errors():
        main()
