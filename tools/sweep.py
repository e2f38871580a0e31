"""Train over a grid: configs, data sets, protocols, shots, seeds, options.

    python tools/sweep.py --configs CONFIG [CONFIG ...]
        [--datasets NAME ...] [--protocols NAME ...] [--shots N ...]
        [--seeds 1 2 3] [--set key=v1,v2 ...]
        [--executor local|slurm|debug]
        [options of tools/train.py]

One job per run, on one GPU or with --processes. What is finished is skipped,
what was interrupted goes on from its checkpoint, what failed is reported and
tried again by the next sweep. Nothing is ever deleted. See docs/sweeps.md.
"""
from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from _sweep.executors import choose_devices, make_executor
from _sweep.grid import expand, make_runs
from _sweep.job import LOG, Job, Run
from _sweep.schedule import Schedule
from _sweep.table import print_table

from dept_mm.cli.arguments import OptionsAction, user_errors
from dept_mm.reports.html import try_report

TRAIN = Path(__file__).resolve().with_name('train.py')
LINES = 10  # of the log of a failed run


def parse_args() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--configs', nargs='+', required=True)
    add('--datasets', nargs='+', default=[], metavar='NAME',
        help="as --dataset of tools/train.py (default: the config's)")
    add('--protocols', nargs='+', default=[], metavar='NAME',
        help="as --protocol of tools/train.py (default: the config's)")
    add('--shots', nargs='+', type=int, default=[], metavar='N',
        help="training images per class (default: the config's)")
    add('--seeds', nargs='+', type=int, default=[1, 2, 3], metavar='N')
    add('--set', action='append', default=[], metavar='KEY=V1,V2',
        help='values of an option; repeatable. KEY1,KEY2=V1,V2: both change '
        'together')
    add('--executor', choices=('local', 'slurm', 'debug'), default='local',
        help='debug: one after the other')
    add('--root', type=Path, default=Path('work_dirs/sweep'),
        help='folder of the work dirs (default: %(default)s)')
    add('--processes', type=int, default=1, metavar='N',
        help='processes per run, each on a GPU of its own if there are any')
    add('--gpus', nargs='*', metavar='ID',
        help='local: GPUs to use; none: the CPU (default: all visible)')
    add('--threads', type=int, metavar='N',
        help='threads per process (default: OMP_NUM_THREADS, else 1 on the '
        'CPU and an equal share of the cores on GPUs)')
    add('--jobs', type=int, metavar='N',
        help='how many jobs at once (default: as many as there are GPUs or '
        'cores for; slurm: all)')
    add('--slurm', nargs='+', action=OptionsAction, default={},
        metavar='KEY=VALUE', help='parameters of submitit, e.g. '
        'timeout_min=600 slurm_partition=gpu cpus_per_task=8')
    return parser.parse_known_args()


def make_schedule(args: argparse.Namespace, runs: list[Run]) -> Schedule:
    """Plan the runs that are not finished."""
    # One run may stand in two rows of the table.
    unique = list({run.work_dir: run for run in runs}.values())
    if args.executor == 'slurm':
        devices, threads = [None] * (args.jobs or len(unique)), args.threads
    else:
        devices, threads = choose_devices(args)
        devices = devices[:1] if args.executor == 'debug' else devices
    executor = make_executor(args)

    def submit(run: Run, devices: str | None) -> Any:
        return executor.submit(Job(run, str(TRAIN), devices, threads))

    return Schedule(unique, submit, devices)


def report(schedule: Schedule) -> None:
    """Say what has no result, and why."""
    for run, end in schedule.ends.items():
        if end == 'finished':
            continue
        log = run.work_dir / LOG
        lines = log.read_text(errors='replace').splitlines() \
            if log.is_file() else []
        print(f'\n{run.row}, seed {run.seed}: {end}; {log}')
        print('\n'.join(f'    {line}' for line in lines[-LINES:]))


def main() -> None:
    args, options = parse_args()
    args.root = args.root.absolute()
    points = expand(args.configs, args.datasets, args.protocols, args.shots,
                    args.seeds, args.set)
    runs = make_runs(points, args.root, options, args.processes)
    # Also where a shell without job control has told children to ignore it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    schedule = make_schedule(args, runs)
    print(f'{len(runs)} points of the grid -> {args.root}', flush=True)
    try:
        schedule.run()
    except KeyboardInterrupt:
        sys.exit('Interrupted; the same command goes on from here.')
    finally:
        report(schedule)
    try_report(args.root)
    print_table(runs)
    if set(schedule.ends.values()) != {'finished'}:
        sys.exit('Some runs have no result; the same command tries them '
                 'again, from their last checkpoints.')


if __name__ == '__main__':
    with user_errors():
        main()
