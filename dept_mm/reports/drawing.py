"""Plots need matplotlib, which nothing else does."""
from __future__ import annotations

from typing import Any

from dept_mm.errors import DeptError


def new_figure(**options: Any) -> Any:
    """A figure that no window shows.

    Raises:
        DeptError: If matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DeptError('Plots need matplotlib: pip install matplotlib'
                        ) from error
    return Figure(layout='constrained', **options)
