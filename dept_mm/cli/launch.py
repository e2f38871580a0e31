"""Start several processes, also where there is no GPU."""
import atexit
import datetime
import gc
import os
import subprocess

import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import distributed as dist

from dept_mm.utils.machine import num_cores


def init_launcher(cfg: Config, launcher: str, training: bool = True) -> None:
    """Prepare a config and this process for a launcher.

    With a GPU this leaves the process group to MMEngine. Without one it
    starts gloo itself, because MMEngine's ``init_dist`` sets a CUDA device
    unconditionally but is skipped when a group exists already.

    Args:
        cfg (Config): The config, changed in place: ``launcher`` and, for
            distributed runs, ``model_wrapper_cfg``.
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        training (bool): Whether the model is trained. A test run wraps the
            model in ``EvalModelWrapper``, because DDP refuses a model
            without trainable parameters. Defaults to True.
    """
    cfg.launcher = launcher
    on_cpu = get_device() == 'cpu'
    if launcher == 'none':
        return
    if not training:
        cfg.model_wrapper_cfg = dict(type='EvalModelWrapper')
    elif on_cpu and cfg.get('model_wrapper_cfg') is None:
        # The runner passes device_ids=[LOCAL_RANK] unless the config sets
        # it, and torch refuses device_ids for a module on the CPU.
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False))
    if on_cpu and not dist.is_initialized():
        os.environ.update(_rank_variables(launcher, os.environ))
        dist.init_process_group('gloo', **_timeout(cfg))
        atexit.register(_leave_group)
        torch.set_num_threads(_threads_per_process(launcher, os.environ))


def _leave_group() -> None:
    """End gloo's threads before the interpreter ends: one that still wants
    to let go of a Python object then aborts the process, which was seen in
    one of six finished runs. They end with the last reference to the group,
    and a runner's models, in reference cycles, hold some."""
    gc.collect()
    if dist.is_initialized():
        dist.destroy_process_group()


def _rank_variables(launcher: str, env: dict[str, str]) -> dict[str, str]:
    """Translate a launcher's variables to those torch reads.

    Raises:
        KeyError: If the process was not started by this launcher.
    """
    if launcher == 'slurm':
        names = ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID')
    elif launcher == 'mpi':
        names = tuple(f'OMPI_COMM_WORLD_{name}'
                      for name in ('RANK', 'SIZE', 'LOCAL_RANK'))
    else:
        names = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')
    values = zip(('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), names, strict=True)
    out = {key: env[name] for key, name in values}
    out['MASTER_PORT'] = env.get('MASTER_PORT', '29500')
    out['MASTER_ADDR'] = env.get('MASTER_ADDR') or (
        _first_slurm_host(env['SLURM_NODELIST'])
        if launcher == 'slurm' else '127.0.0.1')
    return out


def _first_slurm_host(node_list: str) -> str:
    """Expand a Slurm node list such as ``node[3-5]`` to its first host."""
    hosts = subprocess.run(['scontrol', 'show', 'hostname', node_list],
                           check=True, capture_output=True, text=True)
    return hosts.stdout.split()[0]


def _timeout(cfg: Config) -> dict[str, datetime.timedelta]:
    seconds = cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
    if seconds is None:
        return {}
    return dict(timeout=datetime.timedelta(seconds=seconds))


def _threads_per_process(launcher: str, env: dict[str, str]) -> int:
    """Share the cores of this machine among its processes."""
    wanted = int(env.get('OMP_NUM_THREADS', 1))
    if wanted > 1:  # 1 is what torchrun writes when the user says nothing
        return wanted
    if launcher == 'slurm':  # Slurm gives every task cores of its own
        return int(env.get('SLURM_CPUS_PER_TASK', 1))
    local = env.get('LOCAL_WORLD_SIZE',
                    env.get('OMPI_COMM_WORLD_LOCAL_SIZE', 1))
    return max(1, num_cores() // int(local))
