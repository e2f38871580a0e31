"""Two trainings in one folder: the second one is refused."""
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.hooks import Hook

from dept_mm.engine.work_dir_lock import LOCK
from dept_mm.errors import DeptError

# Takes the lock of a folder, says whether it could, and stays.
OTHER = """
import fcntl, sys
file = open(sys.argv[1], 'a')
try:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    print('locked', flush=True)
    sys.stdin.read()
except OSError:
    print('refused', flush=True)
"""


def start_other(folder):
    """Another process and what it says."""
    process = subprocess.Popen(
        [sys.executable, '-c', OTHER, folder / LOCK], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return process, process.stdout.readline().strip()


def end(process):
    process.kill()
    process.communicate()


def test_refused_until_the_first_is_killed(toy, tmp_path):
    (tmp_path / 'run').mkdir()
    other, said = start_other(tmp_path / 'run')
    assert said == 'locked'
    try:
        with pytest.raises(DeptError, match='another process trains'):
            toy().train()
        toy(work_dir='elsewhere', epochs=1).train()
    finally:
        end(other)
    toy(epochs=1).train()
    assert (tmp_path / 'run/epoch_1.pth').is_file()


class Watch(Hook):
    """Notes what another process meets, then fails the run."""

    def before_train_epoch(self, runner):
        other, self.said = start_other(Path(runner.work_dir))
        end(other)
        raise KeyboardInterrupt


def test_locked_while_it_trains(toy, tmp_path):
    """Then this process may go on, and others after it."""
    watch = Watch()
    runner = toy(watch)
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert watch.said == 'refused'
    toy(epochs=1).train()
    other, said = start_other(tmp_path / 'run')
    end(other)
    assert said == 'locked'
