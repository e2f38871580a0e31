"""Files of the feature store: what they are named by, and every accident."""
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import distributed as dist
from torch.utils.data import DataLoader

from dept_mm.engine import feature_store
from dept_mm.engine.feature_store import (
    Unusable,
    View,
    ensure,
    file,
    read,
    store_key,
    write,
)
from dept_mm.errors import DeptError
from dept_mm.models.clip import build_clip
from dept_mm.registry import DATASETS, MODELS

KEY = dict(images='abc', numbers=[1, 2.5])
FORK = multiprocessing.get_context('fork')


@pytest.fixture
def features():
    return torch.randn(50, 16)


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


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16,
                                   torch.bfloat16])
def test_what_is_written_is_read(tmp_path, features, dtype):
    path = tmp_path / 'a.safetensors'
    write(path, features.to(dtype), KEY)
    found = read(path, dict(reversed(KEY.items())))
    assert found.dtype == dtype and torch.equal(found, features.to(dtype))
    assert list(tmp_path.iterdir()) == [path]


def test_it_is_mapped_not_loaded(tmp_path, features):
    path = tmp_path / 'a.safetensors'
    write(path, features, KEY)
    found = read(path, KEY)
    maps = Path('/proc/self/maps')
    if not maps.exists():
        pytest.skip('needs /proc')
    assert str(path) in maps.read_text()
    assert found.is_cpu


def damage(path, how):
    data = path.read_bytes()
    if how == 'truncated':
        data = data[:-10]
    elif how == 'half':
        data = data[:len(data) // 2]
    elif how == 'empty':
        data = b''
    elif how == 'longer':
        data += b'0'
    else:
        at = dict(header=0, key=data.index(b'abc'), value=-1)[how]
        data = bytearray(data)
        data[at] ^= 1
    path.write_bytes(bytes(data))


DAMAGES = ['truncated', 'half', 'empty', 'longer', 'header', 'key', 'value']


@pytest.mark.parametrize('how', DAMAGES)
def test_damage_is_refused(tmp_path, features, how):
    path = tmp_path / 'a.safetensors'
    write(path, features, KEY)
    damage(path, how)
    with pytest.raises(Unusable):
        read(path, KEY)


def test_another_key_is_refused(tmp_path, features):
    path = tmp_path / 'a.safetensors'
    write(path, features, KEY)
    with pytest.raises(Unusable, match='other images'):
        read(path, dict(KEY, images='abd'))
    with pytest.raises(Unusable, match='absent'):
        read(tmp_path / 'b.safetensors', KEY)


def test_only_what_is_missing_is_made(views):
    made = []

    def compute(view):
        made.append(view.epoch)
        return value_of(view)

    found = ensure(views[:2] + views[:1], compute)
    assert made == [0, 1]
    assert [x[0, 0].item() for x in found] == [0, 1, 0]
    ensure(views, compute)
    assert made == [0, 1, 2]
    assert_right(views)
    names = sorted(os.listdir(views[0].root))
    assert names == sorted(view.path.name for view in views)


def test_damaged_and_foreign_files_are_made_anew(views):
    ensure(views, value_of)
    damage(views[0].path, 'value')
    os.replace(views[2].path, views[1].path)  # of another epoch
    made = []
    ensure(views, lambda view: made.append(view.epoch) or value_of(view))
    assert made == [0, 1, 2]
    assert_right(views)


def test_an_error_leaves_nothing_behind(views):
    def compute(view):
        if view.epoch == 1:
            raise DeptError('Image cannot be read')
        return value_of(view)

    with pytest.raises(DeptError, match='cannot be read'):
        ensure(views, compute)
    assert os.listdir(views[0].root) == [views[0].path.name]
    ensure(views, value_of)
    assert_right(views)


def test_a_folder_that_cannot_be_written(views):
    views[0].root.write_text('a file')
    with pytest.raises(DeptError, match='--feature-dir'):
        ensure(views, value_of)


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
            ensure(views, value_of)
        ensure(views, kill_me)

    assert run(die) == [-signal.SIGKILL]
    assert not any(view.path.exists() for view in views)
    ensure(views, value_of)
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
        assert len(ensure(views, compute)) == 3
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
        found = ensure(views, lambda view: mine.append(view.epoch)
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
            ensure(views, compute)

    assert two_ranks(work, tmp_path) == [0, 0]


def test_ranks_with_different_images(views, tmp_path):
    def work(rank):
        mine = [replace(view, key=dict(KEY, rank=rank)) for view in views]
        with pytest.raises(DeptError, match='different images'):
            ensure(mine, value_of)

    assert two_ranks(work, tmp_path) == [0, 0]
    assert not views[0].root.exists()


@pytest.fixture
def parts(tmp_path, clip):
    """A function that gives the key, with some of its parts changed."""
    root = tmp_path / 'photos'
    for i in range(4):
        folder = root / 'train' / 'ab'[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), i, np.uint8)).save(
            folder / f'{i}.png')
    pipeline = [dict(type='LoadRGBImage'),
                dict(type='CLIPRandomResizedCrop', clip=clip),
                dict(type='PackInputs')]
    frozen = build_clip(clip)

    def key(model=frozen, preprocess=None, **options):
        config = dict(dict(type='FolderDataset', data_root=str(root),
                           pipeline=pipeline), **options)
        preprocessor = MODELS.build(dict(
            type='CLIPDataPreprocessor', clip=clip, **(preprocess or {})))
        return store_key(model, preprocessor, config, DATASETS.build(config))

    key.root, key.clip, key.pipeline, key.model = root, clip, pipeline, frozen
    return key


def test_equal_parts_equal_keys(parts, tmp_path):
    key = parts()
    assert parts() == key
    # The draw's seed only matters where it changes the images.
    assert parts(seed=2) == key
    # Moved, with the files' times.
    other = tmp_path / 'elsewhere'
    os.rename(parts.root, other)
    assert parts(data_root=str(other)) == key


def test_changed_images_change_the_key(parts):
    seen = [parts(), parts(indices=[1, 0, 2, 3]), parts(indices=3)]
    path = parts.root / 'train' / 'a' / '0.png'
    state = os.stat(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    seen.append(parts())
    Image.fromarray(np.zeros((99, 9, 3), np.uint8)).save(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    seen.append(parts())
    path.rename(path.with_name('1.png'))
    seen.append(parts())
    assert len({file.canonical(key) for key in seen}) == len(seen)


def test_changed_processing_changes_the_key(parts):
    wider = [dict(t) for t in parts.pipeline]
    wider[1]['scale'] = (.5, 1.)
    keys = [parts(), parts(pipeline=wider),
            parts(preprocess=dict(pad_size_divisor=64)),
            parts(preprocess=dict(to_onehot=True))]
    names = [file.canonical(key) for key in keys]
    assert len(set(names[:3])) == 3
    assert names[3] == names[0]  # labels are no part of an image


def test_another_clip_changes_the_key(parts, clip_configs):
    bf16 = build_clip(dict(parts.clip, precision='bf16'))
    names = {file.canonical(parts(model=model)) for model in (
        parts.model, bf16, build_clip(clip_configs['resnet']))}
    weights = build_clip(clip_configs['coca'])
    before = file.canonical(parts(model=weights))
    with torch.no_grad():
        next(weights.model.visual.parameters()).add_(1)
    weights._digest = None
    assert len(names | {before, file.canonical(parts(model=weights))}) == 5


def test_images_in_memory_count_by_their_pixels(clip):
    def digest(**options):
        return feature_store.key.images_digest(DATASETS.build(dict(
            type='DrawnShapes', indices=3, pipeline=[dict(type='PackInputs')],
            **options)))

    assert digest() == digest()
    assert len({digest(), digest(style='clean'), digest(image_size=32)}) == 3


def test_missing_images_are_named(parts):
    config = dict(type='CustomDataset', ann_file=str(parts.root / 'list.txt'),
                  pipeline=[dict(type='PackInputs')])
    (parts.root / 'list.txt').write_text('gone.jpg 0\n')
    with pytest.raises(DeptError, match='gone.jpg'):
        feature_store.key.images_digest(DATASETS.build(config))


def test_seed_and_epoch_name_the_file(views):
    paths = {view.path for view in views}
    paths |= {View(v.root, 'train', KEY, v.loader, 2, v.epoch).path
              for v in views}
    paths.add(View(views[0].root, 'test', KEY, views[0].loader).path)
    assert len(paths) == 7
