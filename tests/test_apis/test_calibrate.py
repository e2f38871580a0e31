"""One temperature, fitted on validation images and kept in an adapter."""
import math
from copy import deepcopy
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import dept_mm
from dept_mm.apis import calibrate, keep_calibration
from dept_mm.apis._calibrate import describe_calibration, fit_temperature
from dept_mm.datasets import DrawnShapes
from dept_mm.errors import DeptError
from dept_mm.exchange import publish_checkpoint


def test_two_classes_by_hand():
    """Three of four right at a distance of 6: sigmoid(6 / T) = 3 / 4."""
    logits = torch.tensor([[3., -3.]] * 4)
    found = fit_temperature(logits, torch.tensor([0, 0, 0, 1]))
    assert found == pytest.approx(6 / math.log(3))


def test_no_other_temperature_is_likelier():
    logits = 4 * torch.randn(200, 7)
    labels = (logits / 3 + torch.randn(200, 7)).argmax(1)
    found = fit_temperature(logits, labels)

    def loss(temperature):
        return F.cross_entropy(logits.double() / temperature, labels)

    best = loss(found)
    assert all(loss(t) > best for t in torch.logspace(-1, 1, 400).double())
    assert loss(found * 1.01) > best < loss(found / 1.01)
    # A class that a linear probe cannot know changes nothing.
    more = F.pad(logits, (0, 1), value=-torch.inf)
    assert fit_temperature(more, labels) == pytest.approx(found)


def test_where_every_image_is_right_the_range_ends():
    logits = torch.eye(3)
    assert fit_temperature(logits, torch.arange(3)) == pytest.approx(.05)
    assert fit_temperature(logits, torch.tensor([1, 2, 0])) == (
        pytest.approx(20))


@pytest.fixture(scope='module')
def model(checkpoint):
    return dept_mm.load(checkpoint)


def test_it_sees_validation_images_of_the_draw(model, monkeypatch):
    """Base classes alone, the few images that the draw leaves, no others."""
    seen = []

    def get_data_info(self, idx, get=DrawnShapes.get_data_info):
        info = get(self, idx)
        seen.append(info['img_path'])
        return info

    monkeypatch.setattr(DrawnShapes, 'get_data_info', get_data_info)
    found = calibrate(model, batch_size=5)
    expected = DrawnShapes(split='val', task='base', num_shots=1, seed=2)
    paths = [expected.get_data_info(i)['img_path'] for i in range(16)]
    assert seen[:16] == paths and len(seen) == 32 and found.images == 16
    # A wrapper of the data set, as that of a teacher's views, is none of it.
    config = deepcopy(model.config)
    config.train_dataloader.dataset = dict(
        type='TeacherView', dataset=dict(config.train_dataloader.dataset,
                                         indices=1))
    assert calibrate(replace(model, config=config)).images == 16
    # What it says of them is what the model says of them.
    images = [DrawnShapes.get_data_info(expected, i)['img']
              for i in range(16)]
    labels = torch.tensor([expected.get_data_info(i)['gt_label']
                           for i in range(16)])
    for temperature, loss, confidence in (
            (1., found.raw_loss, found.raw_confidence),
            (found.temperature, found.loss, found.confidence)):
        scores = replace(model, temperature=temperature).probabilities(images)
        assert F.nll_loss(scores.log(), labels).item() == (
            pytest.approx(loss, rel=1e-4))
        assert scores.amax(1).mean().item() == (
            pytest.approx(confidence, rel=1e-4))
    assert found.accuracy == (scores.argmax(1) == labels).float().mean()
    assert found.loss < found.raw_loss


def test_distance_aware(model):
    """The temperature is fitted to logits that were scaled before."""
    aware = replace(model, distance_aware=True)
    aware.__dict__['factors'] = torch.full((32, ), 3.)
    with patch('dept_mm.apis._calibrate.replace', lambda found, **options: (
            aware if found is model else replace(found, **options))):
        found = calibrate(model, distance_aware=True)
    plain = calibrate(model)
    assert found.temperature == pytest.approx(3 * plain.temperature)
    assert found.raw_loss == plain.raw_loss and found.loss == pytest.approx(
        plain.loss)
    assert found.kept['distance_aware'] and not plain.kept['distance_aware']


def make(temperature):
    """A calibration on two images with this temperature."""
    found = describe_calibration(torch.eye(2), torch.tensor([0, 0]), 1.)
    return replace(found, temperature=temperature)


def test_an_adapter_keeps_it(checkpoint, tmp_path, options):
    published = publish_checkpoint(checkpoint, tmp_path / 'mine')
    plain = published.rename(tmp_path / 'plain.safetensors')
    assert keep_calibration(plain, make(2.)) == plain
    assert keep_calibration(str(plain), make(2.5)) == plain
    config = tmp_path / 'config.py'
    model = dept_mm.load(checkpoint)
    model.config.dump(config)
    for found in (dept_mm.load(plain, clip=options['clip']),
                  dept_mm.load(config, plain)):
        assert found.temperature == 2.5
        assert found.validation_scores == make(2.5).validation_scores
    assert model.temperature == 1. and not model.validation_scores


def test_a_name_with_a_hash_follows_the_content(checkpoint, tmp_path):
    published = publish_checkpoint(checkpoint, tmp_path / 'mine')
    before = published.read_bytes()
    found = keep_calibration(published, make(2.))
    assert found != published and published.read_bytes() == before
    assert found.name.startswith('mine_2') and len(found.stem) == len(
        published.stem)
    assert keep_calibration(published, make(1.)) not in (found, published)


def test_a_checkpoint_gets_an_adapter(checkpoint, tmp_path, options):
    folder = tmp_path / 'run'
    folder.mkdir()
    for name in (checkpoint.name, 'quickstart.py'):
        (folder / name).write_bytes(checkpoint.with_name(name).read_bytes())
    for source in (folder / checkpoint.name, folder):
        found = keep_calibration(source, make(3.))
        assert found.parent == folder and found.stem.startswith('epoch_1_')
        loaded = dept_mm.load(found, clip=options['clip'])
        assert loaded.temperature == 3.
        found.unlink()


def test_a_model_of_the_package_is_not_changed():
    with pytest.raises(DeptError, match='belongs to the package'):
        keep_calibration('dept_quickstart', make(2.))


@pytest.fixture
def photos(tmp_path):
    """Photos of two classes without a validation split."""
    for i in range(4):
        Image.new('RGB', (40, 40)).save(tmp_path / f'{i}.png')
    (tmp_path / 'list.csv').write_text(
        'path,label,split\n0.png,cat,train\n1.png,cow,train\n'
        '2.png,cat,test\n3.png,cow,test\n')
    return dict(type='CSVDataset', data_root=str(tmp_path),
                ann_file='list.csv', split='train', num_shots=1)


def test_without_validation_images(model, photos):
    for loader, split, words in (
            (None, 'test', 'names no data set with a validation'),
            (dict(dataset=dict(type='CustomDataset')), 'test',
             'names no data set with a validation'),
            (model.config.train_dataloader, 'val', 'never on test images'),
            (dict(dataset=photos), 'test', "in split 'val'.*come into")):
        config = deepcopy(model.config)
        config.train_dataloader = loader
        config.test_dataloader.dataset.split = split
        with pytest.raises(DeptError, match=words):
            calibrate(replace(model, config=config))


def test_other_classes_than_those_of_the_images(model):
    with pytest.raises(DeptError, match='does not score'):
        calibrate(model.with_classes(['cat', 'owl']))
