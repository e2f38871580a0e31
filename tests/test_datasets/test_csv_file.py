"""Reading csv tables."""
import pytest

from dept_mm.datasets import CSVDataset
from dept_mm.datasets.splits import Item
from dept_mm.errors import DeptError


@pytest.fixture
def read(tmp_path):
    """Build the data set of a table with this content."""

    def read(content, encoding='utf-8', **kwargs):
        (tmp_path / 'list.csv').write_bytes(content.encode(encoding))
        return CSVDataset('list.csv', data_root=str(tmp_path),
                          lazy_init=True, **kwargs).read()

    return read


def test_split_column(read):
    splits = read('split,path,note,label\n'
                  'train,"b,1.jpg",x,bee\n'
                  'test,a2.jpg,,ant\n'
                  'train, a1.jpg ,, ant\n')
    assert splits.classes == ['ant', 'bee']
    assert splits.train == [Item('b,1.jpg', 1), Item('a1.jpg', 0)]
    assert splits.val == []
    assert splits.test == [Item('a2.jpg', 0)]


def test_no_split_column(read):
    rows = [f'{name}/{i}.jpg,{name}' for i in range(10)
            for name in ('bee', 'ant')]
    splits = read('\n'.join(['path,label', *rows]))
    assert [len(splits.train), len(splits.val), len(splits.test)] == [10, 4, 6]
    for items in (splits.train, splits.val, splits.test):
        labels = [item.label for item in items]
        assert labels.count(0) == labels.count(1)
        assert all(item.path.startswith(splits.classes[item.label])
                   for item in items)


def test_class_list_gives_the_order_and_may_hold_more(read):
    splits = read('path,label\na.jpg,ant\nb.jpg,bee\n',
                  metainfo=dict(classes=['bee', 'cat', 'ant']))
    assert splits.classes == ['bee', 'cat', 'ant']
    assert splits.train == [Item('b.jpg', 0), Item('a.jpg', 2)]


def test_file_of_a_spreadsheet(read):
    splits = read('path,label,split\r\na.jpg,h\u00e9ron,train\r\n',
                  encoding='utf-8-sig')
    assert splits.classes == ['h\u00e9ron']
    assert splits.train == [Item('a.jpg', 0)]


@pytest.mark.parametrize('content, culprit', [
    ('', "header must be .* but it is ''"),
    ('file,label\na.jpg,ant\n', "but it is 'file,label'"),
    ('path;label\na.jpg;ant\n', "but it is 'path;label'"),
    ('path,label\n', 'lists no images'),
    ('path,label\na.jpg,ant\nb.jpg,\n', "line 3: 'label' is empty"),
    ('path,label,split\na.jpg,ant\n', "line 2: 'split' is empty"),
    ('path,label,split\na.jpg,ant,dev\n', "line 2: the split 'dev'"),
])
def test_bad_files_are_named(read, tmp_path, content, culprit):
    with pytest.raises(DeptError, match=culprit) as error:
        read(content)
    assert str(tmp_path / 'list.csv') in str(error.value)


def test_other_encodings(read, tmp_path):
    with pytest.raises(DeptError, match='utf-8') as error:
        read('path,label\na.jpg,h\u00e9ron\n', encoding='latin-1')
    assert str(tmp_path / 'list.csv') in str(error.value)


def test_class_that_is_not_in_the_list(read):
    with pytest.raises(DeptError, match=r"\['bee'\]"):
        read('path,label\na.jpg,ant\nb.jpg,bee\n', classes=['ant'])


def test_file_is_needed():
    with pytest.raises(DeptError, match="needs 'ann_file'"):
        CSVDataset(data_root='data')
