"""A second view of each image, from the pipeline to the loss."""
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from dept_mm.structures import Views


def pipeline(clip, *second):
    return Compose([
        dict(type='LoadRGBImage'), *second,
        dict(type='CLIPRandomResizedCrop', clip=clip),
        dict(type='PackViews')])


def sample():
    image = np.random.default_rng(0).integers(256, size=(40, 50, 3))
    return dict(img=image.astype(np.uint8), gt_label=3, img_path='x')


@pytest.fixture(autouse=True)
def scope():
    """Where a run looks transforms up, whatever test came before."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        yield


def test_each_view_is_that_of_its_own_pipeline(clip):
    centre = dict(type='CLIPResizeCenterCrop', clip=clip)
    second = dict(type='TeacherView', transforms=[
        centre, dict(type='RandomFlip', prob=1.)])
    np.random.seed(7)
    one = pipeline(clip)(sample())
    np.random.seed(7)
    two = pipeline(clip, dict(type='TeacherView', transforms=[centre]))(
        sample())
    flipped = pipeline(clip, second)(sample())
    alone = Compose([dict(type='LoadRGBImage'), centre,
                     dict(type='PackInputs')])(sample())
    assert isinstance(one['inputs'], torch.Tensor)
    assert isinstance(two['inputs'], Views)
    assert torch.equal(two['inputs'].image, one['inputs'])
    assert torch.equal(two['inputs'].teacher, alone['inputs'])
    assert torch.equal(flipped['inputs'].teacher.flip(2), alone['inputs'])
    # What the second view does to the sample is not said of the first.
    assert not flipped['data_samples'].get('flip')
    assert two['data_samples'].gt_label.item() == 3


@pytest.mark.parametrize('workers', [0, 1])
def test_a_run(small_run, workers):
    """PromptSRC with the teacher at the centre crop: the images that the
    teacher sees do not depend on the crop of the model."""
    cfg = small_run(**{'train_dataloader.num_workers': workers})
    backbone = cfg.model.backbone
    backbone.prompt = dict(type='IVLPPrompt', text_depth=2, image_depth=2)
    backbone.teacher = dict(image=True)
    cfg.model.head.losses = [dict(type='SelfConsistencyLoss')]
    load, *crops, _ = cfg.train_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset.pipeline = [
        load, dict(type='TeacherView', transforms=[
            dict(type='CLIPResizeCenterCrop', clip=cfg.clip)]),
        *crops, dict(type='PackViews')]
    runner = Runner.from_cfg(cfg)
    dataset, seen = runner.train_dataloader.dataset, []
    encode = runner.model.backbone.clip.encode_image

    def note(images, *prompts):
        if not prompts and runner.model.training:
            seen.extend(images)
        return encode(images, *prompts)

    runner.model.backbone.clip.encode_image = note
    try:
        runner.train()
    finally:
        del runner.model.backbone.clip.encode_image
    centre = Compose([load, dict(type='CLIPResizeCenterCrop', clip=cfg.clip),
                      dict(type='PackInputs')])
    expected = [runner.model.data_preprocessor(dict(inputs=centre(
        dataset.get_data_info(i))['inputs'][None]))['inputs'][0]
        for i in range(len(dataset))]
    assert len(seen) == len(dataset) == 16
    for image in seen:
        assert min((image - x).abs().max() for x in expected) == 0
