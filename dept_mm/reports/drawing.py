"""Figures for plots; matplotlib is imported only when one is drawn."""
from __future__ import annotations

from typing import Any

from dept_mm.errors import DeptError


def new_figure(**options: Any) -> Any:
    """Return a matplotlib figure that is saved to a file, not shown in a
    window.

    Raises:
        DeptError: If matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DeptError('Plots need matplotlib: pip install matplotlib'
                        ) from error
    return Figure(layout='constrained', **options)
