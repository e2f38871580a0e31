"""The class list."""
import pytest

from dept_mm.errors import DeptError
from dept_mm.structures import Vocabulary


def test_classes_are_matched_by_identity():
    v = Vocabulary(('crane', 'crane', 'owl'), ('n3', 'n1'),
                   ids=('n1', 'n2', 'n3'))
    assert v.base_labels == [2, 0]
    assert v.new_labels == [1]
    assert Vocabulary(**v.to_dict()) == v


@pytest.mark.parametrize('fields, culprit', [
    (dict(names=()), 'empty'),
    (dict(names=('cat', 'dog', 'cat')), "'cat'"),
    (dict(names=('cat', 'dog'), base=('cow', )), "'cow'"),
    (dict(names=('cat', 'dog'), base=('cat', 'cat')), "'cat'"),
    (dict(names=('cat', ), ids=('n1', 'n2')), '2 class ids'),
    (dict(names=('cat', ), templates='a photo'), "'a photo'"),
])
def test_bad_lists_are_named(fields, culprit):
    with pytest.raises(DeptError, match=culprit):
        Vocabulary(**fields)


def test_unknown_keys_are_named():
    with pytest.raises(DeptError, match='classes.*type'):
        Vocabulary.resolve(dict(classes=['cat']))


def test_resolves_all_that_a_config_may_write(tmp_path):
    for name in ('cat', 'dog'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '0.jpg').touch()
    stock = dict(type='CustomDataset', data_root=str(tmp_path))
    v = Vocabulary(('cat', 'dog'))
    for source in (v, ['cat', 'dog'], dict(names=['cat', 'dog']), stock,
                   dict(stock, metainfo=dict(classes=['cat', 'dog']))):
        assert Vocabulary.resolve(source) == v
