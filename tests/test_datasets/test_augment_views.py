"""Many views of each image, on which prompts are tuned."""
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from dept_mm.datasets import EpochIndex, SeededDataset
from dept_mm.errors import DeptError
from dept_mm.structures import AugmentedViews


@pytest.fixture(autouse=True)
def scope():
    """Where a run looks transforms up, whatever test came before."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


@pytest.fixture
def pipeline(clip):
    return Compose([
        dict(type='LoadRGBImage'),
        dict(type='AugmentViews', num_views=5, transforms=[
            dict(type='CLIPRandomResizedCrop', clip=clip),
            dict(type='RandomFlip', prob=.5), dict(type='AugMix')]),
        dict(type='CLIPResizeCenterCrop', clip=clip),
        dict(type='PackViews')])


def sample():
    image = np.random.default_rng(0).integers(256, size=(40, 50, 3))
    return dict(img=image.astype(np.uint8), gt_label=3, img_path='x')


def test_views(clip, pipeline):
    found = pipeline(sample())
    alone = Compose([dict(type='LoadRGBImage'),
                     dict(type='CLIPResizeCenterCrop', clip=clip),
                     dict(type='PackInputs')])(sample())
    image, views = found['inputs']
    assert isinstance(found['inputs'], AugmentedViews)
    assert torch.equal(image, alone['inputs'])
    assert views.shape == (5, *image.shape)
    assert views.dtype == torch.float32  # AugMix rounds nothing
    assert len({view.numpy().tobytes() for view in views}) == 5
    # What a view does to the sample is not said of the image.
    assert not found['data_samples'].get('flip')
    assert found['data_samples'].gt_label.item() == 3


def test_they_depend_on_seed_and_index_alone(pipeline):
    class Noise:
        metainfo = {}

        def __len__(self):
            return 2

        def __getitem__(self, i):
            return pipeline(sample())['inputs'].augmented

    data = SeededDataset(Noise())
    first, other, seed = (
        data[EpochIndex(i, s, 0)] for i, s in ((0, 1), (1, 1), (0, 2)))
    assert torch.equal(data[EpochIndex(0, 1, 0)], first)
    assert not torch.equal(other, first)
    assert not torch.equal(seed, first)


def test_no_views_are_refused(pipeline):
    with pytest.raises(DeptError, match='num_views is 0'):
        type(pipeline.transforms[1])([], num_views=0)
