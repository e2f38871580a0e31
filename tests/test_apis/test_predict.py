"""Names of the classes of images."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from PIL import Image
from torch.nn import functional as F

import dept_mm
from dept_mm.datasets import DrawnShapes
from dept_mm.errors import DeptError

QUICKSTART = Path(__file__).parents[2] / 'configs/dept/quickstart.py'
INDICES = [0, 800, 1599]


@pytest.fixture
def model(checkpoint):
    return dept_mm.load(checkpoint)


@pytest.fixture
def pictures():
    data = DrawnShapes(split='test')
    return [data.get_data_info(i)['img'] for i in INDICES]


def test_it_is_what_a_test_of_the_run_predicts(model, pictures):
    pipeline = model.config.test_dataloader.dataset.pipeline
    data = DrawnShapes(split='test', indices=INDICES, pipeline=pipeline,
                       test_mode=True)
    with torch.no_grad():
        samples = model.module.test_step(
            default_collate([data[i] for i in range(3)]))
    expected = torch.stack([sample.pred_score for sample in samples])
    torch.testing.assert_close(model.probabilities(pictures, 2), expected)
    found = model.predict(pictures, k=3, batch_size=2)
    for scores, one in zip(expected, found, strict=True):
        order = np.argsort(-scores.numpy(), kind='stable')[:3]
        assert one.classes == tuple(model.classes[i] for i in order)
        assert one.probabilities == pytest.approx(
            [scores[i].item() for i in order], rel=1e-5)
        assert one.name == one.classes[0] and one.image is None
        assert {type(x) for x in one.classes} == {str}
        assert {type(x) for x in one.probabilities} == {float}
    single, = model.predict(pictures[0])
    assert len(single.classes) == 5
    whole, = model.predict(pictures[:1], k=1000)
    assert sorted(whole.classes) == sorted(model.classes)
    assert sum(whole.probabilities) == pytest.approx(1)


def test_every_form_of_an_image_is_the_same_image(model, pictures, tmp_path):
    rgb = np.ascontiguousarray(pictures[0][..., ::-1])
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    path = tmp_path / 'image.png'
    Image.fromarray(rgb).save(path)
    # mmcv would turn it, PIL does not.
    turned, exif = tmp_path / 'turned.png', Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(turned, exif=exif)
    forms = [pictures[0], path, str(path), turned, Image.fromarray(rgb),
             tensor, tensor / 255, tensor[None].double() / 255]
    expected = model.probabilities(forms[0])
    for form in forms:
        assert torch.equal(model.probabilities(form), expected)
    assert torch.equal(model.probabilities(forms, batch_size=1),
                       expected.expand(len(forms), -1))
    assert [x.image for x in model.predict(forms)] == [
        None, str(path), str(path), str(turned), *[None] * 4]


def test_features_are_what_the_head_is_given(model, pictures):
    features = model.image_features(pictures, 2)
    head = model.module.head
    with torch.no_grad():
        second = head.linear(head.image_transform(features))
        text = model.module.backbone.text_features(features)
        scale = model.module.backbone.clip.logit_scale
        s = scale * F.normalize(features) @ F.normalize(text).T
    base = s[:, :16]  # the first half of the classes has rows
    fused = .3 * base + .7 * second
    fused += (base.logsumexp(1) - fused.logsumexp(1))[:, None]
    torch.testing.assert_close(
        model.probabilities(pictures),
        torch.cat([fused, s[:, 16:]], 1).softmax(1))


def test_mistakes(model, pictures, tmp_path):
    with pytest.raises(DeptError, match='k is 0'):
        model.predict(pictures, k=0)
    with pytest.raises(DeptError, match='Image not found'):
        model.predict(tmp_path / 'nowhere.png')
    (tmp_path / 'text.png').write_text('no image')
    with pytest.raises(DeptError, match='cannot be read'):
        model.predict([tmp_path / 'text.png'])
    model.module.backbone.texts.vocabulary = None
    model.module._dataset_meta = {}
    with pytest.raises(DeptError, match='names of its classes'):
        model.predict(pictures)
    model.module._dataset_meta = dict(classes=['a'])
    with pytest.raises(DeptError, match='config of the model does not say'):
        replace(model, config=Config()).predict(pictures)
