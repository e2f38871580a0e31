"""What a training shows: a bar on a terminal, plain lines elsewhere."""
from __future__ import annotations

import os
import sys
import textwrap
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

REDRAWN = .1  # seconds between two pictures of the bar


def can_draw(stream: TextIO) -> bool:
    """Tell whether control characters may be written to a stream."""
    return (stream.isatty() and not os.environ.get('NO_COLOR')
            and os.environ.get('TERM') != 'dumb')


class Screen:
    """Prints lines and, on a terminal, keeps a progress bar below them.

    Pipes and log files get the lines alone, and so does a terminal where
    ``NO_COLOR`` is set: no control character is written there.

    Attributes:
        live (bool): Whether there is a bar.
    """

    def __init__(self) -> None:
        self.live = can_draw(sys.stdout)
        self._bar: Progress | None = None
        self._drawn = 0.

    def say(self, text: str = '') -> None:
        """Print lines, above the bar if there is one."""
        print(text, flush=True)  # a bar has taken sys.stdout over

    def show(self, what: str, done: int = 0, total: int | None = None,
             left: float | None = None) -> None:
        """Draw the bar; do nothing where there is none.

        Args:
            what (str): What is being done.
            done (int): How much of ``total`` is done.
            total (int, optional): None if that is not known.
            left (float, optional): Seconds until the end of the run.
        """
        if not self.live:
            return
        if self._bar is None:
            # Without a thread: it would hold locks when workers are forked.
            self._bar = Progress(
                TextColumn('{task.description}', markup=False), BarColumn(),
                TextColumn('{task.fields[left]}'), console=Console(),
                auto_refresh=False, transient=True)
            self._bar.start()
            self._bar.add_task('', left='')
        now = time.monotonic()
        if now - self._drawn >= REDRAWN or what == 'preparing':
            self._drawn = now
            self._bar.update(
                self._bar.task_ids[0], description=what, completed=done,
                total=total, refresh=True,
                left='' if left is None else f'{format_time(left)} left')

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def format_time(seconds: float) -> str:
    """Write a duration, e.g. ``3:05`` or ``1:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f'{hours}:{minutes:02d}:{rest:02d}' if hours
            else f'{minutes}:{rest:02d}')


def fill(text: str) -> str:
    """Break a paragraph into lines, but no word: it may be a path."""
    return textwrap.fill(text, 79, break_long_words=False,
                         break_on_hyphens=False)
