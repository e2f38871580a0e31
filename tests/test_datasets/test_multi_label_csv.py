"""Reading tables of images with several labels."""
from pathlib import Path

import pytest

from dept_mm.datasets import MultiLabelCSVDataset
from dept_mm.errors import DeptError
from dept_mm.structures import Vocabulary

TABLE = ('path,labels,split\n'
         'a.jpg,cow;ant,train\n'
         'b.jpg,dog; cow ;cow,train\n'
         'c.jpg,bee,train\n'
         'd.jpg,dog,test\n')


@pytest.fixture
def read(tmp_path):
    """Build the data set of a table with this content."""

    def read(content=TABLE, **kwargs):
        (tmp_path / 'list.csv').write_text(content, encoding='utf-8')
        return MultiLabelCSVDataset('list.csv', data_root=str(tmp_path),
                                    data_prefix='images', **kwargs)

    return read


def samples_of(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {Path(info['img_path']).name: info['gt_label'] for info in infos}


@pytest.mark.parametrize('options, expected', [
    (dict(), {'a.jpg': [0, 2], 'b.jpg': [2, 3], 'c.jpg': [1]}),
    (dict(task='base'), {'a.jpg': [0], 'c.jpg': [1]}),
    (dict(task='new'), {'a.jpg': [2], 'b.jpg': [2, 3]}),
    (dict(task='base', base_classes=['dog']), {'b.jpg': [3]}),
    (dict(task='base', base_classes='all', split='test'), {'d.jpg': [3]}),
    (dict(classes=['dog', 'cow', 'emu', 'bee', 'ant'], task='base'),
     {'a.jpg': [1], 'b.jpg': [0, 1]}),
], ids=str)
def test_tasks_keep_their_labels(read, options, expected):
    assert samples_of(read(**options)) == expected


def test_images_lie_in_their_folder(read, tmp_path):
    dataset = read()
    assert dataset.get_data_info(0)['img_path'] == str(
        tmp_path / 'images/a.jpg')
    assert dataset.get_cat_ids(0) == [0, 2]


def test_metainfo_describes_the_classes(read, tmp_path):
    read()
    vocabulary = Vocabulary.resolve(dict(
        type='MultiLabelCSVDataset', data_root=str(tmp_path),
        ann_file='list.csv', template='a drawing of a {}.', name='zoo'))
    assert vocabulary == Vocabulary(
        ('ant', 'bee', 'cow', 'dog'), ('ant', 'bee'), 'a drawing of a {}.')


def test_no_split_column(read):
    content = '\n'.join(['path,labels', *(
        f'{i}.jpg,ant;bee' for i in range(10))])
    parts = [set(samples_of(read(content, split=split)))
             for split in ('train', 'val', 'test')]
    assert [len(part) for part in parts] == [5, 2, 3]
    assert len(set().union(*parts)) == 10


@pytest.mark.parametrize('content, culprit', [
    ('path,label\na.jpg,ant\n', "header must be 'path,labels'"),
    ('path,labels\na.jpg,\n', "line 2: 'labels' is empty"),
    ('path,labels\na.jpg,ant;;bee\n', "'a.jpg' are 'ant;;bee'"),
    ('path,labels\na.jpg,ant\na.jpg,bee\n', r"once: \['a.jpg'\]"),
    ('path,labels,split\na.jpg,ant,dev\n', "line 2: the split 'dev'"),
    ('path,labels,split\na.jpg,ant,val\n', "no image is left with .*'train'"),
    ('path,labels\n../../a.jpg,ant\n', "'../../a.jpg', which is outside"),
])
def test_bad_files_are_named(read, tmp_path, content, culprit):
    with pytest.raises(DeptError, match=culprit) as error:
        read(content)
    assert str(tmp_path / 'list.csv') in str(error.value)


@pytest.mark.parametrize('options, culprit', [
    (dict(split='dev'), "split='dev' is unknown"),
    (dict(num_shots=16), 'draws no shots: use --protocol multi_label'),
    (dict(task='old'), "task='old' is unknown"),
    (dict(base_classes=['emu']), r"not in the class list: \['emu'\]"),
    (dict(classes=['ant']), r"\['bee', 'cow', 'dog'\]"),
    (dict(base_classes='all', task='new'), 'no image is left'),
])
def test_wrong_options(read, options, culprit):
    with pytest.raises(DeptError, match=culprit):
        read(**options)


def test_file_is_needed():
    with pytest.raises(DeptError, match="MultiLabelCSVDataset needs 'ann_f"):
        MultiLabelCSVDataset(data_root='data')
