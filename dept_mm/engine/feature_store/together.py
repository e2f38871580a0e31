"""Steps that all processes of a run take, or none."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.dist import all_gather_object

from dept_mm.errors import DeptError


def together(step: Callable[[], Any]) -> list:
    """Take a step in every process and wait for all of them.

    Where one fails, all do: none is left waiting for it.

    Args:
        step (Callable): What it returns is sent around.

    Returns:
        list: What the step returned in each process, by rank.

    Raises:
        DeptError: If the step failed in another process; an error of this
            process is raised as it is.
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
