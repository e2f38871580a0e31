"""Show on stderr how far a tool has come and how long it still takes."""
from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TimeRemainingColumn,
)

from dept_mm.cli.screen import REDRAWN, can_draw

EVERY = 30.  # seconds between two plain lines
T = TypeVar('T')


def show_progress(items: Iterable[T], total: int) -> Iterator[T]:
    """Pass items through, and show how many there were.

    On a terminal this is a bar, elsewhere (and with ``NO_COLOR``) a line every
    30 seconds.

    Args:
        items (Iterable): The items.
        total (int): Their number.
    """
    draw = _draw if can_draw(sys.stderr) else _print
    yield from draw(items, total)


def _draw(items: Iterable[T], total: int) -> Iterator[T]:
    # Without a thread, which would hold locks when workers are forked; what
    # is printed meanwhile goes above the bar only if both are on a terminal.
    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                  console=Console(stderr=True), auto_refresh=False,
                  transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task, drawn = bar.add_task('', total=total), 0.
        for item in items:
            yield item
            now = time.monotonic()
            bar.update(task, advance=1, refresh=now - drawn >= REDRAWN)
            drawn = now if now - drawn >= REDRAWN else drawn


def _print(items: Iterable[T], total: int) -> Iterator[T]:
    start = printed = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - printed >= EVERY:
            printed = now
            left = (now - start) / done * (total - done)
            print(f'{done} of {total}, {left:.0f} seconds left',
                  file=sys.stderr, flush=True)
