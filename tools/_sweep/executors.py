"""Where jobs run: parts of this machine, and the executors of submitit."""
from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from _sweep import job
from _sweep.job import Slot
from dept_mm.errors import DeptError
from dept_mm.utils.machine import num_cores


def local_slots(args: argparse.Namespace) -> tuple[list[Slot], int]:
    """Parts of this machine for one job each, and threads per process.

    Raises:
        DeptError: If there are too few GPUs for one job.
    """
    threads = args.threads or int(os.environ.get('OMP_NUM_THREADS', 0))
    gpus = visible_gpus() if args.gpus is None else args.gpus
    # Sweeps of one user see each other's locks, whatever their --root.
    folder = Path(tempfile.gettempdir(), f'dept_mm-sweeps-{os.getuid()}')
    folder.mkdir(exist_ok=True)
    each = args.processes
    if not gpus:
        threads = threads or 1
        count = args.jobs or max(1, num_cores() // (each * threads))
        return [Slot((folder / f'cpu{i}', ), '')
                for i in range(count)], threads
    if len(gpus) < each:
        raise DeptError(f'--processes {each}: this machine has only '
                        f'{len(gpus)} GPUs, {gpus}.')
    slots = [Slot(tuple(folder / f'gpu{gpu}' for gpu in gpus[i:i + each]),
                  ','.join(gpus[i:i + each]))
             for i in range(0, len(gpus) - each + 1, each)][:args.jobs]
    return slots, threads or max(1, num_cores() // len(slots) // each)


def visible_gpus() -> list[str]:
    """GPUs as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    count = torch.cuda.device_count()
    if visible is None:
        return [str(i) for i in range(count)]
    return [gpu.strip() for gpu in visible.split(',')][:count]


def make_executor(args: argparse.Namespace) -> Any:
    """The executor of submitit.

    Raises:
        DeptError: If submitit or Slurm is missing, or a parameter is wrong.
    """
    try:
        import cloudpickle
        import submitit
    except ImportError:
        raise DeptError('sweeps need submitit: pip install "dept-mm[sweep]"'
                        ) from None
    # Jobs get the code of this module, and need not find it.
    cloudpickle.register_pickle_by_value(job)
    # A folder for each sweep: local job ids are process ids, which recur.
    folder = args.root / '.submitit' / f'{time.time_ns()}'
    try:
        executor = submitit.AutoExecutor(folder, cluster=args.executor)
        if args.executor == 'slurm':
            executor.update_parameters(**dict(
                dict(name='sweep', nodes=1, tasks_per_node=1,
                     gpus_per_node=args.processes, timeout_min=240),
                **args.slurm))
        else:  # no time limit: submitit's own is five minutes
            executor.update_parameters(timeout_min=10 * 365 * 24 * 60)
    except (RuntimeError, ValueError, TypeError, NameError) as error:
        raise DeptError(f'--executor {args.executor}: {error}') from error
    return executor
