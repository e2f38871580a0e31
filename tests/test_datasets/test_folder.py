"""Finding images in folders."""
import pytest

from dept_mm.datasets import FolderDataset
from dept_mm.datasets.splits import Item
from dept_mm.errors import DeptError


@pytest.fixture
def read(tmp_path):
    """Build the data set of a folder with these (empty) files."""

    def read(files, **kwargs):
        for file in files:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return FolderDataset(
            data_root=str(tmp_path), lazy_init=True, **kwargs).read()

    return read


def test_split_folders(read):
    splits = read(['train/bee/2.jpg', 'train/bee/1.jpg', 'train/ant/1.png',
                   'test/bee/3.jpg', 'test/cat/1.jpg', 'notes/x/1.jpg'])
    assert splits.classes == ['ant', 'bee', 'cat']
    assert splits.train == [
        Item('train/ant/1.png', 0), Item('train/bee/1.jpg', 1),
        Item('train/bee/2.jpg', 1)]
    assert splits.val == []
    assert splits.test == [Item('test/bee/3.jpg', 1),
                           Item('test/cat/1.jpg', 2)]


def test_class_folders(read):
    splits = read([f'{name}/{i}.jpg' for name in ('bee', 'ant')
                   for i in range(10)])
    assert splits.classes == ['ant', 'bee']
    for split, size in (('train', 5), ('val', 2), ('test', 3)):
        items = getattr(splits, split)
        assert [item.label for item in items] == [0] * size + [1] * size
        assert all(item.path.split('/')[0] == splits.classes[item.label]
                   for item in items)
    paths = [i.path for i in splits.train + splits.val + splits.test]
    assert len(set(paths)) == 20


def test_a_class_may_be_called_train(read):
    splits = read(['train/1.jpg', 'car/1.jpg', 'test/1.jpg'])
    assert splits.classes == ['car', 'test', 'train']
    assert [item.path for item in splits.train] == [
        'car/1.jpg', 'test/1.jpg', 'train/1.jpg']


def test_only_images_count(read):
    splits = read(['train/ant/1.JPG', 'train/ant/2.Jpeg', 'train/ant/3.webp',
                   'train/ant/list.txt', 'train/ant/._1.JPG',
                   'train/.cache/1.jpg', 'train/bee/1.tiff',
                   'train/readme.md'])
    assert splits.classes == ['ant', 'bee']
    assert [item.path for item in splits.train] == [
        'train/ant/1.JPG', 'train/ant/2.Jpeg', 'train/ant/3.webp',
        'train/bee/1.tiff']


def test_class_list_gives_the_order(read):
    files = ['train/bee/1.jpg', 'train/ant/1.jpg']
    splits = read(files, classes=['bee', 'ant'])
    assert splits.classes == ['bee', 'ant']
    assert splits.train == [Item('train/bee/1.jpg', 0),
                            Item('train/ant/1.jpg', 1)]


def test_folders_may_be_called_by_ids(read):
    meta = dict(class_ids=['n02', 'n01'], classes=['crane', 'crane'])
    splits = read(['train/n01/1.jpg', 'train/n02/1.jpg'], metainfo=meta)
    assert splits.classes == ['crane', 'crane']
    assert splits.train == [Item('train/n02/1.jpg', 0),
                            Item('train/n01/1.jpg', 1)]


def test_class_that_is_not_in_the_list(read):
    with pytest.raises(DeptError, match=r"\['bee'\]"):
        read(['train/bee/1.jpg', 'train/ant/1.jpg'], classes=['ant', 'cat'])


def test_no_class_folders(read, tmp_path):
    with pytest.raises(DeptError, match='no class folders') as error:
        read(['1.jpg'])
    assert str(tmp_path) in str(error.value)
