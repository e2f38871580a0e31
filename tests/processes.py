"""Start processes that work together, on the CPU of this machine."""
import multiprocessing
import os
import runpy
import socket
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from run_tool import run_tool

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


def start(target, *args, **env) -> BaseProcess:
    """Call a function in a process with further variables.

    It is a fork, which has imported already what this process has. Where
    there is a GPU, autograd refuses to work in a fork.
    """
    context = multiprocessing.get_context(
        'spawn' if torch.cuda.is_available() else 'fork')
    process = context.Process(target=_call, args=(target, args, env))
    process.start()
    return process


def _call(target, args, env) -> None:
    os.environ.update(env)
    target(*args)


def run_script(script, args, output) -> None:
    """Be what ``python SCRIPT ARGS`` starts in a session of its own, and
    write what it prints into a file."""
    os.setsid()
    with open(output, 'w') as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        with redirect_stdout(file), redirect_stderr(file):
            sys.argv = [str(script), *map(str, args)]
            sys.path.insert(0, str(Path(script).parent))
            try:
                runpy.run_path(sys.argv[0], run_name='__main__')
            except Exception:
                traceback.print_exc()
                raise
            except SystemExit as end:
                print(end)
                raise


def run_two(script, *args, names=RANKS, **extra) -> list[str]:
    """Run a script in two processes, as a launcher would.

    Args:
        names: Variables of the launcher for rank, number of processes and
            rank on this machine.
        extra: Further variables of the environment.

    Returns:
        list[str]: What each process printed.
    """
    with TemporaryDirectory() as folder:
        outputs = [Path(folder, str(rank)) for rank in range(2)]
        codes = start_two(run_script, [(script, args, output)
                                       for output in outputs], names, **extra)
        texts = [output.read_text() for output in outputs]
    assert codes == [0, 0], texts
    return texts


def start_two(target, args, names=RANKS, **extra) -> list[int]:
    """Call a function in two processes that work together.

    Args:
        args: Arguments in each of the processes.
        names, extra: As those of ``run_two``.

    Returns:
        list[int]: Their exit codes.
    """
    env = shared_variables() | extra
    workers = [start(target, *args[rank], **env, **dict(
        zip(names, (str(rank), '2', str(rank)), strict=True)))
               for rank in range(2)]
    for worker in workers:
        worker.join(timeout=300)
        worker.kill()  # one that waits for ever
    return [worker.exitcode for worker in workers]


def call_two(calls) -> None:
    """Call tools one after another in two processes that work together.

    Args:
        calls: Lists of the name of a tool and its arguments.
    """
    assert start_two(_call_tools, [(calls, )] * 2) == [0, 0]


def _call_tools(calls) -> None:
    """Call tools as one of several processes."""
    for name, *args in calls:
        done = run_tool(name, *args, '--launcher', 'pytorch')
        if done.returncode:
            sys.exit(f'{name} {args}: {done.stdout}{done.stderr}')
