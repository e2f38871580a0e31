"""Write the report of a run or a sweep."""
from __future__ import annotations

import logging
from pathlib import Path

from mmengine.logging import print_log

from dept_mm.evaluation.results import FILE, find_results
from dept_mm.reports.html import _run, _sweep
from dept_mm.reports.html._page import write_page
from dept_mm.reports.html._recipe import shorten_path


def write_report(folder: str | Path) -> Path:
    """Write ``report.html`` into the folder of a run, a test or a sweep.

    Args:
        folder (str | Path): Has the ``result.json`` of a run or a test, or
            folders with such files below it, as that of a sweep.

    Returns:
        Path: The page.

    Raises:
        DeptError: If there is no result, or a file of it is damaged.
    """
    folder = Path(folder)
    if (folder / FILE).is_file():
        return write_page(folder, 'run.html.j2', *_run.describe(folder))
    return write_page(folder, 'sweep.html.j2',
                      *_sweep.describe(folder, find_results([folder])))


def try_report(folder: str | Path) -> Path | None:
    """Write a report at the end of a run, which a fault must not fail.

    It says where the report is, or why there is none. Nothing happens if
    there is no result, which needs a hook such as ``BaseNewTableHook``.
    """
    if next(Path(folder).rglob(FILE), None) is None:
        return None
    try:
        path = write_report(folder)
    except Exception as error:  # whatever it is, the run itself is finished
        print_log(f'No report: {type(error).__name__}: {error}. Try again '
                  f'with python tools/report.py {folder}', 'current',
                  logging.WARNING)
        return None
    print_log(f'Report: {shorten_path(path)}', 'current')
    return path
