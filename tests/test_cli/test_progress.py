"""How far a tool has come, on a terminal and elsewhere."""
import io
import sys

import pytest

from dept_mm.cli import progress
from dept_mm.cli.progress import show_progress


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Every look at the clock comes 10 seconds after the last one."""
    times = iter(range(0, 10**6, 10))
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(times))


def test_a_bar_on_a_terminal(monkeypatch, clock):
    screen, out = Screen(), io.StringIO()
    monkeypatch.setattr(sys, 'stderr', screen)
    monkeypatch.setattr(sys, 'stdout', out)
    monkeypatch.delenv('NO_COLOR', raising=False)
    monkeypatch.setenv('TERM', 'xterm')
    for item in show_progress(iter('abc'), 3):
        print(item)
    assert out.getvalue() == 'a\nb\nc\n'  # a file gets what is printed
    assert '3/3' in screen.getvalue() and '0:00:' in screen.getvalue()


@pytest.mark.parametrize('kind, variable', [
    (io.StringIO, 'NOTHING'), (Screen, 'NO_COLOR')])
def test_plain_lines_elsewhere(monkeypatch, clock, kind, variable):
    screen = kind()
    monkeypatch.setattr(sys, 'stderr', screen)
    monkeypatch.setenv(variable, '1')
    assert list(show_progress(range(7), 7)) == list(range(7))
    assert screen.getvalue() == ('3 of 7, 40 seconds left\n'
                                 '6 of 7, 10 seconds left\n')
