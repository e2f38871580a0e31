"""What reaches a model: images, features in their place, two views."""
import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate
from mmpretrain.structures import DataSample

from dept_mm.errors import DeptError
from dept_mm.registry import MODELS
from dept_mm.structures import AugmentedViews, ImageFeatures, Views

COLLATE = [default_collate, pseudo_collate]


@pytest.fixture
def make(clip):
    def make(**options):
        return MODELS.build(dict(type='CLIPDataPreprocessor', clip=clip,
                                 **options))
    return make


def batch(collate, inputs):
    return collate([dict(inputs=x, data_samples=DataSample().set_gt_label(i))
                    for i, x in enumerate(inputs)])


@pytest.mark.parametrize('collate', COLLATE)
# Three wide they are no colours, of which channels would be exchanged.
@pytest.mark.parametrize('width', [3, 16])
def test_features_pass_through(make, collate, width):
    features = torch.randn(5, width)
    found = make(num_classes=5, to_onehot=True)(
        batch(collate, map(ImageFeatures, features)), True)
    assert isinstance(found['inputs'], ImageFeatures)
    assert torch.equal(found['inputs'].feature, features)
    # Whatever else it does, it does as always.
    labels = [sample.gt_label.item() for sample in found['data_samples']]
    scores = [sample.gt_score.argmax().item()
              for sample in found['data_samples']]
    assert labels == scores == [0, 1, 2, 3, 4]


@pytest.mark.parametrize('collate', COLLATE)
def test_both_views_are_normalised(make, collate):
    """Channels exchanged, mean 0.5, deviation 0.25."""
    image, teacher = torch.randint(256, (2, 4, 3, 8, 8), dtype=torch.uint8)
    found = make()(batch(collate, map(Views, image, teacher)), True)
    for x, y in zip((image, teacher), found['inputs'], strict=True):
        torch.testing.assert_close(y, (x[:, [2, 1, 0]] / 255 - .5) / .25)
    assert isinstance(found['inputs'], Views)
    assert [s.gt_label.item() for s in found['data_samples']] == [0, 1, 2, 3]


@pytest.mark.parametrize('collate', COLLATE)
def test_augmented_views_are_normalised(make, collate):
    image = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    views = torch.randint(256, (2, 5, 3, 8, 8), dtype=torch.uint8)
    found = make()(batch(collate, map(AugmentedViews, image, views)))
    assert isinstance(found['inputs'], AugmentedViews)
    for x, y in zip((image, views), found['inputs'], strict=True):
        x = x[..., [2, 1, 0], :, :]
        torch.testing.assert_close(y, (x / 255 - .5) / .25)


def test_mixed_images_have_no_view_of_the_teacher(make):
    process = make(num_classes=4, to_onehot=True, batch_augments=dict(
        augments=dict(type='Mixup', alpha=1.)))
    views = batch(default_collate, map(Views, *torch.rand(2, 4, 3, 8, 8)))
    with pytest.raises(DeptError, match='batch_augments mixes.*TeacherView'):
        process(views, True)
    assert isinstance(process(views)['inputs'], Views)  # not in evaluation
