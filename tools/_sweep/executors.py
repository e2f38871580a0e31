"""Choose where jobs run: parts of this machine, or executors of submitit."""
from __future__ import annotations

import argparse
import os
import time
from typing import Any

import torch

from _sweep import job
from dept_mm.errors import DeptError
from dept_mm.utils.machine import num_cores


def choose_devices(args: argparse.Namespace) -> tuple[list[str], int]:
    """Share this machine among the jobs that may run at the same time.

    Returns:
        tuple[list[str], int]: ``CUDA_VISIBLE_DEVICES`` of each job, empty on
        the CPU; and threads per process.

    Raises:
        DeptError: If there are too few GPUs for one job.
    """
    threads = args.threads or int(os.environ.get('OMP_NUM_THREADS', 0))
    gpus = list_gpus() if args.gpus is None else args.gpus
    each = args.processes
    if not gpus:
        threads = threads or 1
        count = args.jobs or max(1, num_cores() // (each * threads))
        return [''] * count, threads
    if len(gpus) < each:
        raise DeptError(f'--processes {each}: this machine has only '
                        f'{len(gpus)} GPUs, {gpus}.')
    devices = [','.join(gpus[i:i + each])
               for i in range(0, len(gpus) - each + 1, each)][:args.jobs]
    return devices, threads or max(1, num_cores() // len(devices) // each)


def list_gpus() -> list[str]:
    """List the GPUs as ``CUDA_VISIBLE_DEVICES`` names them."""
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    count = torch.cuda.device_count()
    if visible is None:
        return [str(i) for i in range(count)]
    return [gpu.strip() for gpu in visible.split(',')][:count]


def make_executor(args: argparse.Namespace) -> Any:
    """Build the executor of submitit.

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
