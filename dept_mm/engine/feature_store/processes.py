"""Steps that all processes of a distributed run take together."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.dist import all_gather_object

from dept_mm.errors import DeptError


def run_in_all_processes(step: Callable[[], Any]) -> list:
    """Run a step in every process and wait for all of them.

    If one process fails, all of them raise, so that none waits forever.

    Args:
        step (Callable): The step. Its return value is sent to every process.

    Returns:
        list: The return values of all processes, by rank.

    Raises:
        DeptError: If the step failed in another process. An error of this
            process is raised unchanged.
    """
    result = error = None
    try:
        result = step()
    except Exception as caught:
        error = caught
    message = error and f'{type(error).__name__}: {error}'
    found = all_gather_object((result, message))
    if error is not None:
        raise error
    failed = [f'process {rank}: {message}'
              for rank, (_, message) in enumerate(found) if message]
    if failed:
        raise DeptError('; '.join(failed))
    return [result for result, _ in found]
