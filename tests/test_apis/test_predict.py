"""Names of the classes of images."""
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from PIL import Image

import dept_mm
from dept_mm.datasets import DrawnShapes
from dept_mm.errors import DeptError
from dept_mm.structures import Vocabulary

QUICKSTART = Path(__file__).parents[2] / 'configs/dept/quickstart.py'
INDICES = [0, 800, 1599]


@pytest.fixture
def model(checkpoint, options):
    return dept_mm.load(QUICKSTART, checkpoint, options=options)


@pytest.fixture
def pictures():
    data = DrawnShapes(split='test')
    return [data.get_data_info(i)['img'] for i in INDICES]


def test_it_is_what_a_test_of_the_run_predicts(model, pictures):
    pipeline = model._config.test_dataloader.dataset.pipeline
    data = DrawnShapes(split='test', indices=INDICES, pipeline=pipeline,
                       test_mode=True)
    names = data.metainfo['classes']
    with torch.no_grad():
        samples = model.test_step(default_collate([data[i] for i in range(3)]))
    found = dept_mm.predict(model, pictures, k=3, batch_size=2)
    for sample, one in zip(samples, found, strict=True):
        order = np.argsort(-sample.pred_score.numpy(), kind='stable')[:3]
        assert one['classes'] == [names[i] for i in order]
        assert one['scores'] == pytest.approx(
            [sample.pred_score[i].item() for i in order], rel=1e-5)
        assert {type(x) for x in one['classes']} == {str}
        assert {type(x) for x in one['scores']} == {float}
    single, = dept_mm.predict(model, pictures[0])
    assert len(single['classes']) == 5
    whole, = dept_mm.predict(model, pictures[:1], k=1000)
    assert sorted(whole['classes']) == sorted(names)
    assert sum(whole['scores']) == pytest.approx(1)


def test_files_are_read_as_those_of_a_data_set(model, pictures, tmp_path):
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), pictures[0])
    expected = dept_mm.predict(model, pictures[0])
    assert dept_mm.predict(model, path) == expected
    assert dept_mm.predict(model, [str(path), path], batch_size=1) == (
        expected * 2)
    # mmcv would turn it, PIL does not.
    turned = tmp_path / 'turned.png'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(turned, exif=exif)
    assert dept_mm.predict(model, turned) == expected


def test_other_classes(model, pictures):
    model.backbone.set_vocabulary(Vocabulary(('cat', 'owl')))
    found, = dept_mm.predict(model, pictures[0])
    assert sorted(found['classes']) == ['cat', 'owl']


def test_mistakes(model, pictures, tmp_path):
    with pytest.raises(DeptError, match='k is 0'):
        dept_mm.predict(model, pictures, k=0)
    with pytest.raises(DeptError, match='Image not found'):
        dept_mm.predict(model, tmp_path / 'nowhere.png')
    (tmp_path / 'text.png').write_text('no image')
    with pytest.raises(DeptError, match='cannot be read'):
        dept_mm.predict(model, [tmp_path / 'text.png'])
    model.backbone.texts.vocabulary, model._dataset_meta = None, {}
    with pytest.raises(DeptError, match='names of its classes'):
        dept_mm.predict(model, pictures)
    model._dataset_meta = dict(classes=['a'])
    del model._config
    with pytest.raises(DeptError, match='dept_mm.build or dept_mm.load'):
        dept_mm.predict(model, pictures)
