"""Start processes that work together, on the CPU of this machine."""
import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from run_tool import run_tool

TESTS = Path(__file__).parent
RANKS = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK')


def free_port() -> str:
    """A port of this machine that nobody listens to."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return str(sock.getsockname()[1])


def shared_variables() -> dict[str, str]:
    """Variables that both of two processes get; no GPU is used also on a
    machine that has one."""
    return dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port(),
                LOCAL_WORLD_SIZE='2',  # they share the cores
                CUDA_VISIBLE_DEVICES='-1', OMP_NUM_THREADS='1')


def run_two(script, *args, names=RANKS, **extra) -> list[str]:
    """Run a script in two processes, as a launcher would.

    Args:
        names: Variables of the launcher for rank, number of processes and
            rank on this machine.
        extra: Further variables of the environment.

    Returns:
        list[str]: What each process printed.
    """
    env = {k: v for k, v in os.environ.items() if k not in names}
    env.update(shared_variables(), **extra, PYTHONPATH=os.pathsep.join(
        [str(TESTS.parent), str(TESTS), *filter(None, [
            os.environ.get('PYTHONPATH')])]))
    workers = [subprocess.Popen(
        [sys.executable, str(script), *map(str, args)],
        env=env | dict(zip(names, (str(rank), '2', str(rank)), strict=True)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for rank in range(2)]
    outputs = [worker.communicate(timeout=300)[0] for worker in workers]
    for worker, output in zip(workers, outputs, strict=True):
        assert worker.returncode == 0, output
    return outputs


def call_two(calls) -> None:
    """Call tools one after another in two processes that work together.

    These are forks, which have imported already what this process has. Where
    there is a GPU, autograd refuses to work in a fork.

    Args:
        calls: Lists of the name of a tool and its arguments.
    """
    context = multiprocessing.get_context(
        'spawn' if torch.cuda.is_available() else 'fork')
    env = shared_variables()
    workers = [context.Process(target=_call_as, args=(
        dict(zip(RANKS, (str(rank), '2', str(rank)), strict=True), **env),
        calls)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=300)
    assert [worker.exitcode for worker in workers] == [0, 0]


def _call_as(env, calls) -> None:
    """Call tools as one of several processes."""
    os.environ.update(env)
    for name, *args in calls:
        done = run_tool(name, *args, '--launcher', 'pytorch')
        if done.returncode:
            sys.exit(f'{name} {args}: {done.stdout}{done.stderr}')
