"""Samples with features in place of images, or beside them."""
from functools import partial

import pytest
import torch
from mmengine.dataset import ConcatDataset

from dept_mm.datasets import DrawnShapes, EpochIndex, StoredFeatures
from dept_mm.errors import DeptError
from dept_mm.structures import ImageFeatures, LowerStates

PACK = dict(type='PackInputs', meta_keys=('img_path', 'sample_idx'))


@pytest.fixture
def shapes():
    return DrawnShapes(split='train', indices=[3, 40, 80], pipeline=[PACK])


@pytest.fixture
def views():
    return list(torch.randn(2, 3, 16))


def test_all_but_the_image_is_kept(shapes, views):
    stored = StoredFeatures(shapes, views)
    assert stored.metainfo == shapes.metainfo
    assert len(stored) == 3
    for i in range(3):
        found, expected = stored[i], shapes[i]['data_samples']
        assert isinstance(found['inputs'], ImageFeatures)
        assert torch.equal(found['inputs'].feature, views[0][i])
        sample = found['data_samples']
        assert torch.equal(sample.gt_label, expected.gt_label)
        assert sample.metainfo == expected.metainfo
        assert set(sample.metainfo) == {'img_path', 'sample_idx'}


def test_epochs_take_turns_on_the_views(shapes, views):
    stored = StoredFeatures(shapes, views)
    for epoch, view in enumerate([0, 1, 0, 1, 0]):
        found = stored[EpochIndex(2, 1, epoch)]['inputs']
        assert torch.equal(found.feature, views[view][2])


def test_other_rows_than_features(shapes):
    rows = torch.randn(3, 5, 16)
    found = StoredFeatures(shapes, [rows], partial(LowerStates, 2))[1]
    assert found['inputs'].blocks == 2
    assert torch.equal(found['inputs'].hidden, rows[1])


def test_what_a_teacher_gave_is_beside_its_image(shapes, views):
    stored = StoredFeatures(shapes, views, of_teacher=True)
    found, expected = stored[EpochIndex(2, 1, 3)], shapes[2]
    assert torch.equal(found['inputs'].image, expected['inputs'])
    assert torch.equal(found['inputs'].teacher.feature, views[1][2])
    assert torch.equal(found['data_samples'].gt_label,
                       expected['data_samples'].gt_label)


def test_a_teacher_without_the_image_has_a_substitute(views):
    """Image and row are those of the same other sample of the class."""
    shapes = DrawnShapes(split='train', indices=[3, 4, 80], pipeline=[PACK])
    views[0][0] = torch.nan
    found = StoredFeatures(shapes, views, of_teacher=True)[0]
    assert found['data_samples'].unreadable == shapes[0][
        'data_samples'].img_path
    assert torch.equal(found['inputs'].image, shapes[1]['inputs'])
    assert torch.equal(found['inputs'].teacher.feature, views[0][1])


def test_inside_wrappers(views):
    whole = ConcatDataset([
        DrawnShapes(split='train', indices=indices, pipeline=[PACK])
        for indices in ([3, 40], [80])])
    stored = StoredFeatures(whole, views)
    assert torch.equal(stored[2]['inputs'].feature, views[0][2])
    assert (stored[2]['data_samples'].img_path
            == whole[2]['data_samples'].img_path)


def test_what_does_not_fit_is_refused(shapes, views):
    with pytest.raises(DeptError, match='3 images, but features of .2'):
        StoredFeatures(shapes, [view[:2] for view in views])
    with pytest.raises(DeptError, match='features of none'):
        StoredFeatures(shapes, [])
    shapes.pipeline.transforms.clear()
    with pytest.raises(DeptError, match='PackInputs'):
        StoredFeatures(shapes, views)
    with pytest.raises(DeptError, match='no pipeline'):
        StoredFeatures([1, 2, 3], views)
