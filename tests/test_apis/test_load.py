"""A trained model, from a config with a file or from an adapter alone."""
from pathlib import Path

import pytest
import torch

import dept_mm
from dept_mm.errors import DeptError
from dept_mm.exchange import publish_checkpoint

QUICKSTART = Path(__file__).parents[2] / 'configs/dept/quickstart.py'


@pytest.fixture
def adapter(checkpoint, tmp_path):
    return publish_checkpoint(checkpoint, tmp_path / 'small')


def test_every_way_gives_the_same_model(checkpoint, adapter, options, images):
    clip = options['clip']
    start = dept_mm.build(QUICKSTART, seed=2, options=options)
    found = [dept_mm.load(QUICKSTART, checkpoint, options=options),
             dept_mm.load(QUICKSTART, adapter, options=options),
             dept_mm.load(str(adapter), clip=clip),
             dept_mm.load(adapter, clip=clip)]
    assert not any(model.training for model in found)
    with torch.no_grad():
        logits = [model(images) for model in (start, *found)]
    for other in logits[2:]:
        torch.testing.assert_close(other, logits[1])
    assert not torch.allclose(logits[0], logits[1])
    names = start.backbone.vocabulary.names
    assert all(tuple(model._dataset_meta['classes']) == names
               for model in found)
    assert dept_mm.load(adapter, clip=clip, class_names=['cat', 'owl'])(
        images).shape == (4, 2)


def test_mistakes(checkpoint, adapter, options, tmp_path):
    damaged = tmp_path / 'damaged.pth'
    damaged.write_bytes(checkpoint.read_bytes()[:500])
    other = dict(options, **{'model.backbone.prompt.num_tokens': 3})
    for given, words in (
            (dict(config_or_adapter=QUICKSTART), 'needs a checkpoint beside'),
            (dict(checkpoint='nowhere.pth'), 'nowhere.pth cannot be read'),
            (dict(checkpoint='nowhere.safetensors'), 'nowhere.safetensors'),
            (dict(config_or_adapter='nowhere.safetensors'), 'nowhere'),
            (dict(checkpoint=damaged), 'damaged.pth cannot be read'),
            (dict(checkpoint=checkpoint, options=other), r'\(16, 32\)'),
            (dict(checkpoint=checkpoint, class_names=['cat']),
             'class_names can be given with an adapter alone'),
            (dict(config_or_adapter=adapter, seed=1, options={}),
             'seed, options can be given with a config')):
        given = dict(dict(config_or_adapter=QUICKSTART, options=options),
                     **given) if 'checkpoint' in given else given
        with pytest.raises(DeptError, match=words):
            dept_mm.load(**given)


def test_what_is_no_part_of_the_model_is_named(checkpoint, options, tmp_path):
    saved = torch.load(checkpoint, weights_only=True)
    saved['state_dict']['neck.weight'] = torch.zeros(1)
    torch.save(saved, tmp_path / 'odd.pth')
    with pytest.raises(DeptError, match='odd.pth does not fit.*neck.weight'):
        dept_mm.load(QUICKSTART, tmp_path / 'odd.pth', options=options)
