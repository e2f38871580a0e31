"""What a stored feature is known by: a change of it changes the key."""
import os

import numpy as np
import pytest
import torch
from PIL import Image

from dept_mm.engine import feature_store
from dept_mm.engine.feature_store import build_key, file
from dept_mm.errors import DeptError
from dept_mm.models.clip import build_clip
from dept_mm.registry import DATASETS, MODELS


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
        return build_key(model, preprocessor, config, DATASETS.build(config))

    key.root, key.clip, key.pipeline, key.model = root, clip, pipeline, frozen
    return key


def test_equal_parts_equal_keys(parts, tmp_path):
    key = parts()
    assert parts() == key
    # The draw's seed only matters where it changes the images.
    assert parts(seed=2) == key
    # Moved within the file system.
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
    data, state = bytearray(path.read_bytes()), os.stat(path)
    data[len(data) // 2] ^= 1  # one bit, size and time as before
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    seen.append(parts())
    path.rename(path.with_name('1.png'))
    seen.append(parts())
    assert len({file.to_canonical_json(key) for key in seen}) == len(seen)


def test_changed_processing_changes_the_key(parts):
    wider = [dict(t) for t in parts.pipeline]
    wider[1]['scale'] = (.5, 1.)
    keys = [parts(), parts(pipeline=wider),
            parts(preprocess=dict(pad_size_divisor=64)),
            parts(preprocess=dict(to_onehot=True))]
    names = [file.to_canonical_json(key) for key in keys]
    assert len(set(names[:3])) == 3
    assert names[3] == names[0]  # labels are no part of an image


def test_another_clip_changes_the_key(parts, clip_configs):
    bf16 = build_clip(dict(parts.clip, precision='bf16'))
    names = {file.to_canonical_json(parts(model=model)) for model in (
        parts.model, bf16, build_clip(clip_configs['resnet']))}
    weights = build_clip(clip_configs['coca'])
    before = file.to_canonical_json(parts(model=weights))
    with torch.no_grad():
        next(weights.model.visual.parameters()).add_(1)
    weights._digest = None
    after = file.to_canonical_json(parts(model=weights))
    assert len(names | {before, after}) == 5


def test_images_in_memory_count_by_their_pixels(clip):
    def digest(**options):
        return feature_store.key.digest_images(DATASETS.build(dict(
            type='DrawnShapes', indices=3, pipeline=[dict(type='PackInputs')],
            **options)))

    assert digest() == digest()
    assert len({digest(), digest(style='clean'), digest(image_size=32)}) == 3


def test_missing_images_are_named(parts):
    config = dict(type='CustomDataset', ann_file=str(parts.root / 'list.txt'),
                  pipeline=[dict(type='PackInputs')])
    (parts.root / 'list.txt').write_text('gone.jpg 0\n')
    with pytest.raises(DeptError, match='gone.jpg'):
        feature_store.key.digest_images(DATASETS.build(config))
