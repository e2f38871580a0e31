"""A model with other classes, with other heads, and on several devices."""
import http.server
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from mmpretrain import ImageClassificationInferencer
from PIL import Image

import dept_mm
from dept_mm.apis import Unreadable, predict_each
from dept_mm.errors import DeptError
from dept_mm.structures import Vocabulary

QUICKSTART = Path(__file__).parents[2] / 'configs/dept/quickstart.py'
NEW = ['sea horse', 'owl']
STOCK = dict(_delete_=True, type='LinearClsHead', num_classes=32,
             in_channels=16)


def test_new_names_join_the_trained_ones(model, photos):
    """Trained classes keep their fused scores among each other."""
    both = model.with_classes(NEW, also=True)
    assert both.classes == (*model.classes, *NEW)
    trained = model.module.head.class_ids
    columns = [model.classes.index(name) for name in trained]
    before, after = (x.probabilities(photos)[:, columns]
                     for x in (model, both))
    torch.testing.assert_close(after / after.sum(1, keepdim=True),
                               before / before.sum(1, keepdim=True))
    # A new name gets what the similarity of the whole list gives it.
    head = both.module.head
    with torch.no_grad():
        feats = both.module.extract_feat(torch.zeros(1, 3, 32, 32))
        s = super(type(head), head).forward(feats)
        torch.testing.assert_close(head(feats).softmax(1)[:, -2:],
                                   s.softmax(1)[:, -2:])


def test_new_names_replace_the_trained_ones(model, photos):
    """A trained name stands for its class however it is written."""
    first, second = model.classes[:2]
    other = model.with_classes([second.upper(), 'owl',
                                first.replace(' ', '_')])
    known = other.module.backbone.vocabulary
    assert known.ids == (second, 'owl', first)
    plain = model.with_classes([second, 'owl', first])
    torch.testing.assert_close(other.probabilities(photos),
                               plain.probabilities(photos))
    single, = other.predict(photos[0])
    assert sorted(single.classes) == sorted(other.classes)


def test_the_model_itself_stays_and_shares_its_clip(model, photos):
    before, names = model.probabilities(photos), model.classes
    calibrated = replace(model, temperature=2.)
    other = calibrated.with_classes(NEW)
    assert other.temperature == 2.
    assert other.module.backbone.clip is model.module.backbone.clip
    assert model.classes == names
    assert torch.equal(model.probabilities(photos), before)


@pytest.mark.parametrize('names, also, words', [
    (['cat', ' '], False, 'name is empty'), ([], False, 'list is empty'),
    (['cat', 'cat'], False, 'listed more than once'),
    (['sea_horse', 'sea horse'], False, 'are one sentence'),
    (['plain_blue_star'], True, 'listed more than once'),
    (['very ' * 80], False, 'Shorten the name'), ('cat', False, 'a list'),
    ([None], False, 'name is empty')])
def test_bad_names(model, names, also, words):
    with pytest.raises(DeptError, match=words):
        model.with_classes(names, also)


@pytest.mark.parametrize('changes, words', [
    ({'model.backbone.prompt.class_specific': True}, 'no context for classes'),
    ({'model.head': STOCK}, 'scores 32 classes.*has 2 names'),
    ({'model.backbone.vocabulary': None, 'model.backbone.prompt': None},
     'no text tower')])
def test_models_that_know_no_other_classes(make, changes, words):
    with pytest.raises(DeptError, match=words):
        make(**changes).with_classes(NEW)


def test_a_stock_head(make, photos):
    model = make(**{'model.head': STOCK})
    with torch.no_grad():
        expected = model.module.head.fc(model.image_features(photos))
    torch.testing.assert_close(model.probabilities(photos),
                               expected.softmax(1))
    several = make(**{'model.head': dict(
        STOCK, type='MultiLabelLinearClsHead')})
    with pytest.raises(DeptError, match='may have several classes'):
        several.predict(photos)


def test_features_alone(make, model, photos):
    alone = make(**{'model.head': None})
    with pytest.raises(DeptError, match='no head.*image_features'):
        alone.predict(photos)
    # What is learned of images is nothing here: they are the CLIP's.
    assert torch.equal(alone.image_features(photos),
                       model.image_features(photos))


def test_the_temperature(model, photos):
    expected = (model.probabilities(photos).log() / 2).softmax(1)
    torch.testing.assert_close(
        replace(model, temperature=2.).probabilities(photos), expected)


def test_the_inferencer_of_mmpretrain_takes_the_module(model):
    other = model.with_classes(NEW)
    array = torch.randint(256, (40, 50, 3), dtype=torch.uint8).numpy()
    found, = ImageClassificationInferencer(other.module)(array)
    one, = other.predict(array)
    assert found['pred_class'] == one.name
    assert found['pred_score'] == pytest.approx(one.probabilities[0])


def test_several_devices_and_workers_change_nothing(model, photos):
    photos = list(photos)
    expected = list(predict_each(model, photos, 2, batch_size=1))
    assert list(predict_each(model, photos, 2, batch_size=1,
                             more_devices=['cpu', 'cpu'])) == expected
    assert list(predict_each(model, photos, 2, batch_size=1,
                             num_workers=1)) == expected


def test_an_unreadable_image_does_not_stop_the_others(model, tmp_path):
    for name in ('a.png', 'd.png'):
        Image.new('RGB', (40, 40)).save(tmp_path / name)
    (tmp_path / 'b.png').write_bytes(b'')
    table = tmp_path / 'list.csv'
    table.write_text('path\na.png\nb.png\nc.png\nd.png\n')
    for size in (1, 2, 4):
        a, b, c, d = predict_each(model, table, batch_size=size)
        assert a.classes == d.classes and d.image == str(tmp_path / 'd.png')
        assert isinstance(b, Unreadable) and b.image.endswith('/b.png')
        assert 'it is no image' in b.reason and 'not found' in c.reason
    with pytest.raises(DeptError, match=r'/b.png \(it is(.|\n)*/c.png'):
        model.predict(table)
    with pytest.raises(DeptError, match='/b.png'):
        model.image_features(table)


def test_addresses(model, tmp_path, monkeypatch):
    monkeypatch.setenv('no_proxy', '*')
    Image.new('RGB', (40, 40)).save(tmp_path / 'a.png')
    handler = partial(http.server.SimpleHTTPRequestHandler,
                      directory=tmp_path)
    handler.log_message = lambda *_: None
    with http.server.HTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}'
        found = list(predict_each(model, [f'{url}/a.png', f'{url}/b.png'],
                                  allow_urls=True))
        server.shutdown()
    assert found[0].classes == model.predict(tmp_path / 'a.png')[0].classes
    assert '404' in found[1].reason and found[0].image == f'{url}/a.png'


@pytest.mark.parametrize('image, words', [
    (torch.zeros(1, 4, 4), 'A tensor of shape'),
    (torch.full((3, 4, 4), 2.), 'normalised already'),
    (torch.full((3, 4, 4), torch.nan), 'floats between 0 and 1'),
    (torch.zeros(3, 4, 4).long(), 'torch.int64 is no image'),
    (torch.zeros(4, 4, 3).numpy(), 'float32 is no image'),
    (torch.zeros(4, 4).byte().numpy(), r'shape \(4, 4\)'),
    (torch.zeros(0, 4, 3).byte().numpy(), r'shape \(0, 4, 3\)'),
    (torch.zeros(3, 0, 4), r'shape \(3, 0, 4\)'),
    (Image.new('F', (4, 4)), 'more than 8 bits')])
def test_images_of_another_kind(model, image, words):
    with pytest.raises(DeptError, match=words):
        model.predict(image)


def test_another_clip_is_refused(model, clip_configs, options, tmp_path):
    path = tmp_path / 'x.safetensors'
    dept_mm.exchange.write_adapter(
        path, model.module.state_dict(), dict(model=dict(
            backbone=model.config.model.backbone.to_dict(),
            head=model.config.model.head.to_dict())))
    with pytest.raises(DeptError, match='was trained on CLIP'):
        dept_mm.load(path, clip=clip_configs['resnet'])
    assert Vocabulary(names=model.classes).names == dept_mm.load(
        path, clip=options['clip']).classes
