"""A trained model, from a config with a file or from an adapter alone."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import dept_mm
from dept_mm.errors import DeptError
from dept_mm.exchange import publish_checkpoint
from dept_mm.exchange.zoo import find_zoo_adapter

QUICKSTART = Path(__file__).parents[2] / 'configs/dept/quickstart.py'


@pytest.fixture
def adapter(checkpoint, tmp_path):
    return publish_checkpoint(checkpoint, tmp_path / 'small')


def test_every_way_gives_the_same_model(checkpoint, adapter, options, images):
    clip = options['clip']
    start = dept_mm.build(QUICKSTART, seed=2, options=options)
    found = [dept_mm.load(QUICKSTART, checkpoint, options=options),
             dept_mm.load(QUICKSTART, adapter, options=options),
             dept_mm.load(QUICKSTART, checkpoint.parent, options=options),
             dept_mm.load(str(adapter), clip=clip),
             dept_mm.load(adapter, clip=clip),
             dept_mm.load(checkpoint),
             dept_mm.load(str(checkpoint.parent))]
    assert not any(model.module.training for model in found)
    with torch.no_grad():
        logits = [model(images) for model in (
            start, *(model.module for model in found))]
    for other in logits[2:]:
        torch.testing.assert_close(other, logits[1])
    assert not torch.allclose(logits[0], logits[1])
    names = start.backbone.vocabulary.names
    assert all(model.classes == names for model in found)


def test_mistakes(checkpoint, adapter, options, tmp_path):
    alone = tmp_path / 'alone' / 'epoch_1.pth'
    alone.parent.mkdir()
    alone.write_bytes(b'')
    damaged = tmp_path / 'damaged.pth'
    damaged.write_bytes(checkpoint.read_bytes()[:500])
    other = dict(options, **{'model.backbone.prompt.num_tokens': 3})
    for given, words in (
            (dict(model=QUICKSTART), 'needs a checkpoint beside'),
            (dict(model=Config()), 'needs a checkpoint beside'),
            (dict(checkpoint='nowhere.pth'), 'nowhere.pth cannot be read'),
            (dict(checkpoint='nowhere.safetensors'), 'nowhere.safetensors'),
            (dict(model='nowhere.safetensors'), 'nowhere'),
            (dict(model='nowhere.pth'), 'no such file'),
            (dict(model='nowhere'), 'neither an adapter'),
            (dict(model=tmp_path), 'has no checkpoint'),
            (dict(model=alone), 'no config beside(.|\n)*load.CONFIG'),
            (dict(checkpoint=damaged), 'damaged.pth cannot be read'),
            (dict(checkpoint=checkpoint, options=other), r'\(16, 32\)'),
            (dict(checkpoint=checkpoint, clip={}),
             'clip can be given with an adapter alone'),
            (dict(model=adapter, seed=1, options={}),
             'seed, options can be given with a config')):
        given = dict(dict(model=QUICKSTART, options=options),
                     **given) if 'checkpoint' in given else given
        with pytest.raises(DeptError, match=words):
            dept_mm.load(**given)


def test_what_is_no_part_of_the_model_is_named(checkpoint, options, tmp_path):
    saved = torch.load(checkpoint, weights_only=True)
    saved['state_dict']['neck.weight'] = torch.zeros(1)
    torch.save(saved, tmp_path / 'odd.pth')
    with pytest.raises(DeptError, match=r'odd\.pth does not fit(.|\n)*neck'):
        dept_mm.load(QUICKSTART, tmp_path / 'odd.pth', options=options)


def test_a_name_of_the_zoo_stands_for_its_adapter():
    """With a config, too, and however the name is written."""
    file = find_zoo_adapter('dept_quickstart')
    x = torch.rand(2, 3, 64, 64)
    expected = dept_mm.load(file).probabilities(x)
    for given in (['DePT_Quickstart'], [QUICKSTART, 'dept_quickstart']):
        assert torch.equal(dept_mm.load(*given).probabilities(x), expected)


def test_more_than_one_config_beside_a_checkpoint(checkpoint, tmp_path):
    for name in ('epoch_1.pth', 'a.py', 'b.py'):
        (tmp_path / name).write_bytes(checkpoint.read_bytes())
    with pytest.raises(DeptError, match=r'more than one config \(a.py, b.py'):
        dept_mm.load(tmp_path)
