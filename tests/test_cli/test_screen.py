"""What is written to a terminal, and what elsewhere."""
import io
import sys
import threading

import pytest

from dept_mm.cli.screen import Screen, format_time


class Terminal(io.StringIO):

    def isatty(self):
        return True


def use_terminal(monkeypatch):
    """Put a terminal in place of the standard output, during a test."""
    monkeypatch.setattr(sys, 'stdout', Terminal())
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)
    return sys.stdout


def fill(screen):
    """A run of two steps."""
    screen.say('begins')
    screen.show('preparing')
    screen.show('epoch 1 of 1, loss 0.5000', 1, 2, 65.4)
    screen.say('in between')
    screen.close()
    screen.say('ends')


def test_a_terminal_has_a_bar(monkeypatch):
    terminal = use_terminal(monkeypatch)
    monkeypatch.setattr('dept_mm.cli.screen.REDRAWN', 0)
    fill(Screen())
    written = terminal.getvalue()
    assert 'epoch 1 of 1, loss 0.5000' in written and '1:05 left' in written
    assert sys.stdout is terminal
    # The bar goes out of the way of lines, and ends with the run.
    assert '\x1b[2Kin between' in written.replace('\r', '')
    assert written.endswith('ends\n')


@pytest.mark.parametrize('variable', [dict(NO_COLOR='1'), dict(TERM='dumb')])
def test_who_wants_no_colours_gets_lines(monkeypatch, variable):
    terminal = use_terminal(monkeypatch)
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    fill(Screen())
    assert terminal.getvalue() == 'begins\nin between\nends\n'


def test_a_pipe_gets_lines(capsys):
    fill(Screen())
    assert capsys.readouterr().out == 'begins\nin between\nends\n'


def test_a_bar_has_no_thread(monkeypatch):
    """A worker that is forked meanwhile would inherit its locks."""
    use_terminal(monkeypatch)
    before, screen = threading.active_count(), Screen()
    screen.show('preparing')
    assert threading.active_count() == before
    screen.close()


@pytest.mark.parametrize('seconds, written', [
    (0.4, '0:00'), (65.4, '1:05'), (59.6, '1:00'), (3661, '1:01:01')])
def test_times(seconds, written):
    assert format_time(seconds) == written
