"""Building a feature store: what is missing is made, whatever happens."""
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import torch
from torch import distributed as dist
from torch.utils.data import DataLoader

from dept_mm.engine.feature_store import View, file, read_or_compute
from dept_mm.errors import DeptError

KEY = dict(images='abc', numbers=[1, 2.5])
FORK = multiprocessing.get_context('fork')


@pytest.fixture
def views(tmp_path):
    """Three views of a data set that nobody looks into."""
    loader = DataLoader(range(50))
    return [View(tmp_path / 'store', 'train', KEY, loader, seed=1, epoch=e)
            for e in range(3)]


def value_of(view):
    return torch.full((50, 16), float(view.epoch))


def assert_right(views):
    for view in views:
        assert torch.equal(view.read(), value_of(view))


def test_only_what_is_missing_is_made(views):
    made = []

    def compute(view):
        made.append(view.epoch)
        return value_of(view)

    found = read_or_compute(views[:2] + views[:1], compute)
    assert made == [0, 1]
    assert [x[0, 0].item() for x in found] == [0, 1, 0]
    read_or_compute(views, compute)
    assert made == [0, 1, 2]
    assert_right(views)
    names = sorted(os.listdir(views[0].root))
    assert names == sorted(view.path.name for view in views)


def test_damaged_and_foreign_files_are_made_anew(views):
    read_or_compute(views, value_of)
    data = bytearray(views[0].path.read_bytes())
    data[-1] ^= 1
    views[0].path.write_bytes(data)
    os.replace(views[2].path, views[1].path)  # of another epoch
    made = []
    read_or_compute(
        views, lambda view: made.append(view.epoch) or value_of(view))
    assert made == [0, 1, 2]
    assert_right(views)


def test_an_error_leaves_nothing_behind(views):
    def compute(view):
        if view.epoch == 1:
            raise DeptError('Image cannot be read')
        return value_of(view)

    with pytest.raises(DeptError, match='cannot be read'):
        read_or_compute(views, compute)
    assert os.listdir(views[0].root) == [views[0].path.name]
    read_or_compute(views, value_of)
    assert_right(views)


def test_a_folder_that_cannot_be_written(views):
    views[0].root.write_text('a file')
    with pytest.raises(DeptError, match='--feature-dir'):
        read_or_compute(views, value_of)


def run(*targets):
    """Run functions in processes of their own; return the exit codes."""
    processes = [FORK.Process(target=target) for target in targets]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def kill_me(*args):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('where', ['compute', 'write'])
def test_a_killed_builder(views, monkeypatch, where):
    def die():
        if where == 'write':  # half of the file is on disk
            monkeypatch.setattr(os, 'fsync', kill_me)
            read_or_compute(views, value_of)
        read_or_compute(views, kill_me)

    assert run(die) == [-signal.SIGKILL]
    assert not any(view.path.exists() for view in views)
    read_or_compute(views, value_of)
    assert_right(views)


@pytest.mark.parametrize('locks', [True, False])
def test_two_runs_at_once(views, tmp_path, monkeypatch, locks):
    """With locks they share the work, without they repeat it."""
    if not locks:
        monkeypatch.setattr(file, 'fcntl', None)
    # Slow enough for both to write at once.
    monkeypatch.setattr(os, 'fsync', lambda fd: time.sleep(.5))
    log = tmp_path / 'log'

    def compute(view):
        with open(log, 'a') as out:
            out.write(f'{view.epoch}\n')
        return value_of(view)

    def build_all():
        assert len(read_or_compute(views, compute)) == 3
        assert_right(views)

    assert run(build_all, build_all) == [0, 0]
    assert_right(views)
    made = log.read_text().split()
    assert set(made) == set('012')
    if locks:
        assert len(made) == 3
    assert len(os.listdir(views[0].root)) == 3


def two_ranks(function, tmp_path):
    """Run a function of the rank in two processes of one group."""
    def rank(number):
        dist.init_process_group(
            'gloo', init_method=f'file://{tmp_path}/group', rank=number,
            world_size=2, timeout=timedelta(seconds=30))
        function(number)
        dist.destroy_process_group()

    return run(partial(rank, 0), partial(rank, 1))


def test_ranks_share_the_views(views, tmp_path):
    def work(rank):
        mine = []
        found = read_or_compute(views, lambda view: mine.append(view.epoch)
                       or value_of(view))
        assert mine == [[0, 2], [1]][rank]
        assert [x[0, 0].item() for x in found] == [0, 1, 2]

    assert two_ranks(work, tmp_path) == [0, 0]
    assert_right(views)


@pytest.mark.parametrize('bad', [0, 1])
def test_a_rank_that_fails_leaves_no_other_waiting(views, tmp_path, bad):
    def work(rank):
        def compute(view):
            if rank == bad:
                raise KeyError('a broken image')
            return value_of(view)

        # The others hear of it as an error that names the process.
        error, words = ((KeyError, 'a broken image') if rank == bad
                        else (DeptError, f'process {bad}: KeyError'))
        with pytest.raises(error, match=words):
            read_or_compute(views, compute)

    assert two_ranks(work, tmp_path) == [0, 0]


def test_ranks_with_different_images(views, tmp_path):
    def work(rank):
        mine = [replace(view, key=dict(KEY, rank=rank)) for view in views]
        with pytest.raises(DeptError, match='different images'):
            read_or_compute(mine, value_of)

    assert two_ranks(work, tmp_path) == [0, 0]
    assert not views[0].root.exists()
