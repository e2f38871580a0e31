"""Data sets of features that were computed elsewhere."""
import contextlib
import itertools
import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dept_mm.datasets import FeatureDataset
from dept_mm.datasets.splits import Item, draw_shots, split_by_class
from dept_mm.errors import DeptError
from dept_mm.structures import ImageFeatures

PACK = [dict(type='PackInputs')]
NAMES = ['ant', 'bee', 'cat']
LABELS = np.arange(30) % 3
ROWS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


@pytest.fixture
def make(tmp_path):
    """A function of arrays and options that writes .npy files and gives the
    data set of them."""
    def make(features=ROWS, labels=LABELS, classes=NAMES, **options):
        for name, value in (('features', features), ('labels', labels),
                            ('text', options.get('text'))):
            if isinstance(value, np.ndarray):
                np.save(tmp_path / f'{name}.npy', value)
                options[name] = f'{name}.npy'
        options.setdefault('features', features)
        options.setdefault('labels', labels)
        return FeatureDataset(**dict(dict(
            classes=classes, data_root=str(tmp_path), pipeline=PACK),
            **options))

    return make


def rows_of(dataset):
    return torch.stack([dataset[i]['inputs'].feature
                        for i in range(len(dataset))])


def test_samples_and_splits_are_those_of_any_data_set(make):
    splits = split_by_class(NAMES, [
        Item(f'row/{i:08d}', label) for i, label in enumerate(LABELS)])
    for split in ('train', 'val', 'test'):
        data = make(split=split, task='new', base_classes='half')
        found = [data.get_data_info(i) for i in range(len(data))]
        expected = [item for item in getattr(splits, split)
                    if item.label == 2]
        assert [i['img_path'] for i in found] == [i.path for i in expected]
        assert len(found) == dict(train=5, val=2, test=3)[split]
        sample = data[1]
        assert isinstance(sample['inputs'], ImageFeatures)
        row = int(expected[1].path[-8:])
        assert LABELS[row] == sample['data_samples'].gt_label == 2
        assert sample['inputs'].feature.tolist() == ROWS[row].tolist()


def test_of_the_pipeline_the_last_transform_runs(make):
    """That of images is given where a CLIP by name encodes the texts."""
    data = make(pipeline=[dict(type='RandomFlip', prob=1.), *PACK])
    assert torch.equal(rows_of(data), rows_of(make()))


def test_shots_are_drawn_as_everywhere(make):
    data = make(num_shots=2, seed=3)
    drawn = draw_shots(make().read().train, 2, 3)
    assert [data.get_data_info(i)['img_path'] for i in range(len(data))] == [
        item.path for item in drawn]


@pytest.mark.parametrize('name', ['x.npz', 'x.safetensors', 'x.pt', 'x.pth'])
def test_formats(make, tmp_path, name):
    """One file holds all; bf16 is what numpy does not know."""
    path, half = tmp_path / name, torch.from_numpy(ROWS).bfloat16()
    tensors = dict(features=half, labels=torch.from_numpy(LABELS),
                   other=torch.zeros(2))
    if name == 'x.npz':
        np.savez(path, features=half.float(), labels=LABELS, other=[0, 0])
    elif name == 'x.safetensors':
        save_file(tensors, path, dict(classes=json.dumps(NAMES)))
    else:
        torch.save(tensors, path)
    classes = None if name == 'x.safetensors' else NAMES
    for labels in (None, f'{name}:labels'):
        data = make(name, labels, classes)
        assert data.metainfo['classes'] == tuple(NAMES)
        wanted = [int(data.get_data_info(i)['img_path'][-8:])
                  for i in range(len(data))]
        assert torch.equal(rows_of(data), half.float()[wanted])
    with pytest.raises(DeptError, match=r"no array 'wrong'.*'other'"):
        make(f'{name}:wrong', None)


def test_parquet(make, tmp_path):
    """Rows, class names and splits in columns; rows of a fixed length and of
    any, in several groups."""
    pyarrow = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    fixed = pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(ROWS.ravel()), ROWS.shape[1])
    columns = dict(
        id=np.arange(30), labels=[NAMES[i] for i in LABELS],
        split=['test' if i % 5 else 'train' for i in range(30)])
    for features in (list(ROWS), fixed):
        table = pyarrow.table(dict(columns, features=features))
        parquet.write_table(table, tmp_path / 'x.parquet', row_group_size=7)
        data = make('x.parquet', None, None, split_of='x.parquet')
        assert data.metainfo['classes'] == tuple(NAMES)
        assert torch.equal(rows_of(data), torch.from_numpy(ROWS[::5]))
        assert list(data.get_gt_labels()) == LABELS[::5].tolist()
        assert len(make('x.parquet:features', 'x.parquet:labels')) == 15


def test_parquet_without_the_package(make, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'pyarrow', None)
    (tmp_path / 'x.parquet').touch()
    with pytest.raises(DeptError, match='another package.*pyarrow'):
        make('x.parquet', None)


def test_a_file_for_each_split(make, tmp_path):
    for split, start in (('train', 0), ('test', 12)):
        np.savez(tmp_path / f'{split}.npz', features=ROWS[start:],
                 labels=LABELS[start:])
    files = dict(train='train.npz', test='test.npz')
    assert len(make(files, files)) == 30
    data = make(files, None, split='test')
    assert torch.equal(rows_of(data), torch.from_numpy(ROWS[12:]))
    with pytest.raises(DeptError, match='same splits'):
        make(files, 'train.npz')
    with pytest.raises(DeptError, match="'train', 'test' and perhaps"):
        make(dict(train='train.npz'), None)


def test_an_array_of_splits(make, tmp_path):
    whole = np.array([0] * 20 + [2] * 10)
    for array in (whole, np.array(['train', 'val', 'test'])[whole]):
        np.save(tmp_path / 'split.npy', array)
        data = make(split_of='split.npy', split='test')
        assert torch.equal(rows_of(data), torch.from_numpy(ROWS[20:]))
    np.save(tmp_path / 'split.npy', whole + 1)
    with pytest.raises(DeptError, match=r"30 splits \['3', 'val'\]"):
        make(split_of='split.npy')


def test_names_among_the_labels_and_in_files(make, tmp_path):
    data = make(labels=np.array(NAMES)[LABELS], classes=None)
    assert data.vocabulary.names == tuple(NAMES)
    assert data.get_gt_labels().tolist() == [0] * 5 + [1] * 5 + [2] * 5
    (tmp_path / 'names.txt').write_text('cat\nbee\n\nant\n')
    (tmp_path / 'names.json').write_text('["cat", "bee", "ant"]')
    for name in ('names.txt', 'names.json'):
        assert make(classes=name).vocabulary.names == ('cat', 'bee', 'ant')
    (tmp_path / 'names.json').write_text('3')
    for name, culprit in (('names.json', 'no list in JSON'),
                          ('none.txt', 'not found')):
        with pytest.raises(DeptError, match=culprit):
            make(classes=name)


def test_text_and_lengths(make):
    text = ROWS[:3]
    assert make().text_features() is None
    assert make(text=text).text_features().tolist() == text.tolist()
    data = make(text=text, text_length=8., length=10.)
    assert torch.allclose(data.text_features().norm(dim=1),
                          torch.tensor(8.))
    assert torch.allclose(rows_of(data).norm(dim=1), torch.tensor(10.))
    for wrong, culprit in ((ROWS[:2], r'\(2, 4\), but .* 3 class names'),
                           (ROWS[:4, :3], 'transposed'),
                           (0 * text, 'nothing but zeros')):
        with pytest.raises(DeptError, match=culprit):
            make(text=wrong).text_features()


def changed(value, where=(3, 1)):
    rows = ROWS.copy()
    rows[where] = value
    return rows


@pytest.mark.parametrize('options, culprit', [
    (dict(features=changed(np.nan)), r'1 of 30 rows hold nan or inf.*\[3\]'),
    (dict(features=changed(np.inf)), 'nan or inf'),
    (dict(features=changed(0, slice(2, 4))), r'2 of 30 .* zeros.*\[2, 3\]'),
    (dict(features=ROWS[0]), r'a matrix .* but are \(4,\)'),
    (dict(features=LABELS[:, None]), 'floating-point numbers, but are .*int'),
    (dict(features=ROWS.astype(object)), 'cannot be read: .*Python objects'),
    (dict(labels=LABELS[:9]), '9 labels beside 30 rows'),
    (dict(labels=LABELS + 1), '1 to 3, but 3 .* allow 0 to 2. They seem'),
    (dict(labels=LABELS - 1), r'-1 to 1, but 3'),
    (dict(labels=LABELS * 1.), 'whole numbers or class names.*float64'),
    (dict(labels=LABELS[:, None]), r'whole numbers .*\(30, 1\)'),
    (dict(classes=NAMES[:2]), '0 to 2, but 2 class names'),
    (dict(classes=None), 'labels are numbers: give the class names'),
    (dict(features='none.npy'), 'features: file not found: /'),
    (dict(features='x.csv'), 'is no array: write FILE or FILE:NAME'),
    (dict(pipeline=[dict(type='LoadRGBImage')]), 'ends with .*PackInputs')])
def test_mistakes(make, options, culprit):
    with pytest.raises(DeptError, match=culprit):
        make(**options)


def test_odd_rows_are_counted_once(make, warnings):
    rows = changed(ROWS[5], 8)
    rows[9] *= 1e4
    make(rows)
    make('features.npy', split='test')
    assert [text.partition(': ')[2] for text in warnings] == [
        '1 of 30 rows equal an earlier row.',
        f'1 of 30 rows are 100 times as long or short as the usual '
        f'{np.sort(np.linalg.norm(rows, axis=1))[14]:.3g}.']


class Harmful:
    """Leaves a folder behind when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ('harm', )


def test_files_execute_nothing(make, tmp_path, fuzz):
    """A pickle is read as weights only; damaged files are refused or hold
    other numbers."""
    for name, write in (
            ('npy', lambda p: np.save(p, ROWS)),
            ('npz', lambda p: np.savez(p, features=ROWS, labels=LABELS)),
            ('safetensors', lambda p: save_file(dict(
                features=torch.from_numpy(ROWS)), p)),
            ('pt', lambda p: torch.save(torch.from_numpy(ROWS), p))):
        path = tmp_path / f'x.{name}'
        write(path)
        for data in itertools.islice(fuzz(path.read_bytes()), 40):
            path.write_bytes(data)
            with contextlib.suppress(DeptError):
                make(path.name, LABELS)
    harmful = np.array([Harmful()])
    torch.save(dict(features=Harmful()), tmp_path / 'y.pt')
    np.save(tmp_path / 'y.npy', harmful)
    np.savez(tmp_path / 'y.npz', features=harmful)
    for name in ('y.pt', 'y.npy', 'y.npz'):
        with pytest.raises(DeptError, match='cannot be read'):
            make(name, LABELS)
