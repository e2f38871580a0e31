"""What is written comes back, and anything else is refused."""
import hashlib
import json
import os
import pickle
import struct

import pytest
import torch
from safetensors.torch import save

from dept_mm.errors import DeptError
from dept_mm.exchange import read_adapter, write_adapter
from dept_mm.exchange.adapter_file import compute_checksum
from dept_mm.structures import Vocabulary


def test_holds_what_was_learned_and_what_it_is_for(adapter, classifier,
                                                   clip, vocabulary):
    config, model = classifier
    file = read_adapter(adapter)
    learned = dict(model.named_parameters())
    assert file.tensors.keys() == learned.keys()
    for name, value in learned.items():
        assert torch.equal(file.tensors[name], value)
    assert file.header['format'] == 1
    assert file.vocabulary == vocabulary
    assert file.header['recipe'] == dict(model=config)
    backbone = file.header['modules']['backbone']
    assert backbone['prompt'] == 'CoOpPrompt'
    assert backbone['clip'] == dict(
        name=clip['name'], sha256=model.backbone.clip.digest,
        preprocessing=dict(embed_dim=16, image_size=32, mean=[.5] * 3,
                           std=[.25] * 3, interpolation='bicubic',
                           resize_mode='shortest'))
    assert file.header['modules']['head'] == dict(
        classes=list(vocabulary.base))
    assert file.header['versions']['torch'] == torch.__version__


def test_the_checksum_is_over_header_names_types_and_values():
    value = torch.tensor([[1., 2.]], dtype=torch.float16)
    expected = hashlib.sha256(
        b'text' + b'["a", "torch.float16", [1, 2]]'
        + struct.pack('<2e', 1, 2)).hexdigest()
    assert compute_checksum('text', {'a': value}) == expected


def rewritten(path, change=lambda header: None, tensors=None, text=None):
    """Write a file with another content and a right checksum."""
    file = read_adapter(path)
    header = json.loads(json.dumps(file.header))
    change(header)
    text = json.dumps(header) if text is None else text
    tensors = file.tensors | (tensors or {})
    path.write_bytes(save(tensors, dict(
        dept_mm=text, sha256=compute_checksum(text, tensors))))
    return path


class Harmful:
    def __reduce__(self):
        return os.mkdir, ('harm', )


@pytest.mark.parametrize('data, culprit', [
    (b'', 'shorter than 8'),
    (pickle.dumps(Harmful()), 'is a pickle'),
    (b'PK\3\4' + bytes(100), 'is a pickle'),
    (struct.pack('<Q', 1 << 62) + b'{}', 'header would have'),
    (struct.pack('<Q', 1 << 23) + b'{}', 'damaged'),
    (struct.pack('<Q', 2) + b'{}', 'not an adapter of this package'),
    (struct.pack('<Q', 4000) + b'[' * 4000, 'damaged'),
    (struct.pack('<Q', 30) + b'{"a":{"a":{"a":{"a":{"a":1}}}}}', 'damaged'),
    (save({'weight': torch.ones(2)}), "not an adapter.*'weight'"),
    (save({'a': torch.ones(2)}, dict(dept_mm='{}', sha256='0')), 'checksum'),
])
def test_refuses_what_is_no_adapter(data, culprit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'x.safetensors'
    path.write_bytes(data)
    with pytest.raises(DeptError, match=culprit):
        read_adapter(path)
    assert os.listdir(tmp_path) == ['x.safetensors']


@pytest.mark.parametrize('text, culprit', [
    ('[' * 100_000, 'header'),
    ('{"a":' * 100_000, 'header'),
    ('null', 'header'),
    ('1' * 10_000, 'header'),
    ('{}', 'format'),
    ('{"format": 3}', 'format 3.*reads 1 and 2: pip install -U'),
    ('{"format": 2}', "KeyError\\('modules'"),
    ('{"format": [[[]]]}', 'format'),
    ('{"format": 1}', "KeyError\\('modules'"),
])
def test_refuses_a_header_of_anything(adapter, text, culprit):
    with pytest.raises(DeptError, match=culprit):
        read_adapter(rewritten(adapter, text=text))


@pytest.mark.parametrize('field, value', [
    ('modules', []), ('modules', dict(backbone=3)), ('recipe', 'text'),
    ('vocabulary', None), ('vocabulary', dict(names=[1, 2])),
    ('vocabulary', dict(names='ab')), ('vocabulary', dict(names=[])),
    ('vocabulary', dict(names=['a', 'a'])), ('vocabulary', dict(a=['b'])),
    ('vocabulary', dict(names=['a'], base=['b'])), ('versions', 1)])
def test_refuses_fields_of_another_kind(adapter, field, value):
    with pytest.raises(DeptError):
        read_adapter(rewritten(adapter, lambda h: h.update({field: value})))


@pytest.mark.parametrize('value, culprit', [
    (torch.tensor([float('nan')]), 'not finite'),
    (torch.zeros(2, dtype=torch.complex64), 'dtype C64')],
    ids=['nan', 'complex'])
def test_refuses_values_that_no_model_has(adapter, value, culprit):
    with pytest.raises(DeptError, match=culprit):
        read_adapter(rewritten(adapter, tensors={'head.linear.bias': value}))


def test_refuses_to_write_what_cannot_be_loaded(classifier, tmp_path):
    _, model = classifier
    state = model.state_dict()
    with pytest.raises(DeptError, match='ends in .safetensors'):
        write_adapter(tmp_path / 'x.pth', state, {})
    with pytest.raises(DeptError, match='PromptedCLIP'):
        write_adapter(tmp_path / 'x.safetensors', {'a': torch.ones(1)}, {})
    state['head.linear.bias'] = state['head.linear.bias'] / 0
    with pytest.raises(DeptError, match='head.linear.bias.*not finite'):
        write_adapter(tmp_path / 'x.safetensors', state, {})
    with pytest.raises(DeptError, match='cannot be written'):
        write_adapter(tmp_path / 'no/x.safetensors', model.state_dict(), {})
    assert not list(tmp_path.glob('*safetensors*'))


def test_no_accident_gets_through(adapter, tmp_path, fuzz):
    """Every mutation is refused by our own error, or changes nothing."""
    expected, path = read_adapter(adapter), tmp_path / 'mutated.safetensors'
    accepted = total = 0
    for data in fuzz(adapter.read_bytes()):
        path.write_bytes(data)
        total += 1
        try:
            file = read_adapter(path)
        except DeptError:
            continue
        accepted += 1
        assert file.header == expected.header
        assert file.tensors.keys() == expected.tensors.keys()
        assert all(torch.equal(value, expected.tensors[name])
                   for name, value in file.tensors.items())
    assert accepted < .1 * total


def test_coop_with_dept_is_small(tmp_path, monkeypatch):
    """50 classes at the widths of ViT-B/16, on which alone it depends."""
    from dept_mm.models import DePTHead, PromptedCLIP
    folder = tmp_path / 'clip'
    folder.mkdir()
    (folder / 'open_clip_config.json').write_text(json.dumps(dict(
        model_cfg=dict(
            embed_dim=512, quick_gelu=True,
            vision_cfg=dict(image_size=32, patch_size=16, width=64,
                            layers=1),
            text_cfg=dict(context_length=77, vocab_size=49408, width=512,
                          heads=8, layers=1)))))
    clip = dict(name=f'local-dir:{folder}', pretrained='random')
    names = Vocabulary(tuple(f'a class of long name {i}' for i in range(100)),
                       tuple(f'a class of long name {i}' for i in range(50)))
    model = torch.nn.ModuleDict(dict(
        backbone=PromptedCLIP(clip, names, dict(type='CoOpPrompt')),
        head=DePTHead(names, clip)))
    learned = sum(p.numel() for p in model.parameters())
    assert learned == 16 * 512 + 4 * 512 + 50 * 512 + 50
    path = tmp_path / 'x.safetensors'
    recipe = dict(model=dict(vocabulary=names.to_dict()), filler='x' * 20_000)
    write_adapter(path, model.state_dict(), recipe)
    assert 4 * learned < path.stat().st_size < 250_000
