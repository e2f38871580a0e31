"""Reading split files in the format of the CoOp code."""
import json

import pytest

from dept_mm.datasets import SplitFileDataset
from dept_mm.datasets.splits import Item
from dept_mm.errors import DeptError

GOOD = dict(
    train=[['b/1.jpg', 1, 'tree_frog'], ['a/1.jpg', 0, 'Yo_Yo']],
    val=[['a/2.jpg', 0, 'Yo_Yo']],
    test=[['c/1.jpg', 2, 'apple'], ['b/2.jpg', 1, 'tree_frog']])


@pytest.fixture
def read(tmp_path):
    """Build the data set of a split file with this content."""

    def read(content, **kwargs):
        if not isinstance(content, str):
            content = json.dumps(content)
        (tmp_path / 'split.json').write_text(content)
        return SplitFileDataset(
            'split.json', data_root=str(tmp_path), **kwargs)

    return read


def test_order_and_names_are_those_of_the_file(read):
    splits = read(GOOD, lazy_init=True).read()
    assert splits.classes == ['Yo_Yo', 'tree_frog', 'apple']
    assert splits.train == [Item('b/1.jpg', 1), Item('a/1.jpg', 0)]
    assert splits.val == [Item('a/2.jpg', 0)]
    assert splits.test == [Item('c/1.jpg', 2), Item('b/2.jpg', 1)]


def test_prefix(read, tmp_path):
    dataset = read(GOOD, split='val', data_prefix='images')
    assert dataset.get_data_info(0)['img_path'] == str(
        tmp_path / 'images/a/2.jpg')
    dataset = read(GOOD, split='val')
    assert dataset.get_data_info(0)['img_path'] == str(tmp_path / 'a/2.jpg')


def test_missing_split_is_empty(read):
    dataset = read(dict(test=[['a.jpg', 0, 'ant']]), split='test')
    assert len(dataset) == 1
    assert dataset.read().train == []


def changed(split, index, entry):
    content = json.loads(json.dumps(GOOD))
    content[split][index] = entry
    return content


@pytest.mark.parametrize('content, culprit', [
    ('{"train": [', r'not valid json: .*line 1 column 12'),
    ('[]', 'not a split file'),
    ('{"images": []}', 'not a split file'),
    (dict(GOOD, val=dict()), "'val' is not a list"),
    (changed('test', 1, ['b/2.jpg', 1]), r"test\[1\] is \['b/2.jpg', 1\]"),
    (changed('val', 0, 'a/2.jpg'), r"val\[0\] is 'a/2.jpg'"),
    (changed('train', 1, ['a/1.jpg', '0', 'Yo_Yo']), r'train\[1\] is'),
    (changed('train', 1, ['a/1.jpg', True, 'Yo_Yo']), r'train\[1\] is'),
    (changed('train', 1, [1, 0, 'Yo_Yo']), r'train\[1\] is'),
    (changed('train', 1, ['a/1.jpg', 0, None]), r'train\[1\] is'),
    (changed('train', 1, ['a/1.jpg', -1, 'Yo_Yo']),
     r"train\[1\] \('a/1.jpg'\) has the label -1"),
    (changed('test', 0, ['c/1.jpg', 5, 'apple']),
     r"test\[0\] has the label 5 \('apple'\), but no entry has label 2"),
    (changed('test', 1, ['b/2.jpg', 1, 'frog']),
     r"label 1 is called 'tree_frog' in train\[0\] and 'frog' in test\[1\]"),
    (changed('test', 0, ['c/1.jpg', 2, 'Yo_Yo']),
     r"more than once: \['Yo_Yo'\]"),
    (dict(train=[], val=[], test=[]), 'lists no images'),
])
def test_bad_files_are_named(read, tmp_path, content, culprit):
    with pytest.raises(DeptError, match=culprit) as error:
        read(content, lazy_init=True)
    assert str(tmp_path / 'split.json') in str(error.value)


def test_names_may_be_shared_where_ids_are_not(read):
    content = changed('test', 0, ['c/1.jpg', 2, 'Yo_Yo'])
    dataset = read(content, split='test', task='new',
                   metainfo=dict(class_ids=['n1', 'n2', 'n3']))
    assert dataset.metainfo['base_classes'] == ('n1', 'n2')
    assert len(dataset) == 1


def test_class_list_of_another_length(read):
    with pytest.raises(DeptError, match='3 classes, but .* lists 2'):
        read(GOOD, classes=['yo-yo', 'frog'])


def test_file_is_needed():
    with pytest.raises(DeptError, match="needs 'ann_file'"):
        SplitFileDataset(data_root='data')
