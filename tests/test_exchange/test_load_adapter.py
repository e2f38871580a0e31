"""Adapters in models: of a config, and rebuilt from the file alone."""
import json
import re
from dataclasses import replace

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmpretrain import ImageClassificationInferencer
from mmpretrain.registry import MODELS
from safetensors.torch import save

from dept_mm.errors import DeptError
from dept_mm.exchange import load_adapter, read_adapter, write_adapter
from dept_mm.exchange.adapter_file import compute_checksum
from dept_mm.exchange.rebuild import build_model_config
from dept_mm.models import CLIPHead
from dept_mm.structures import Vocabulary


def answers(model, images):
    with torch.no_grad():
        return model.eval()(images)


def test_every_mix_comes_back(pair, clip, images, tmp_path):
    torch.manual_seed(1)
    model = MODELS.build(pair)
    for parameter in model.parameters():
        parameter.data.normal_(std=.1)
    path = tmp_path / 'x.safetensors'
    write_adapter(path, model.state_dict(), dict(model=pair))
    expected = answers(model, images)
    from_config = MODELS.build(pair)
    load_checkpoint(from_config, str(path))
    assert torch.equal(answers(from_config, images), expected)
    rebuilt = load_adapter(path, clip=clip)
    assert torch.equal(answers(rebuilt, images), expected)


def test_new_class_names(adapter, classifier, clip, images, vocabulary):
    """A known name is that class, with its row; new ones are similarity."""
    _, model = classifier
    names = ('newt', *vocabulary.base[::-1])
    rebuilt = load_adapter(adapter, names, clip=clip)
    model.backbone.set_vocabulary(Vocabulary(names))
    expected = answers(model, images)
    assert torch.equal(answers(rebuilt, images), expected)
    with torch.no_grad():
        s = CLIPHead()(model.extract_feat(images))
    assert torch.equal(expected[:, 0], s[:, 0])
    assert not torch.equal(expected[:, 1:], s[:, 1:])


def test_a_name_stands_for_the_class_it_was_trained_on(
        clip, pair_configs, images, tmp_path):
    config = pair_configs['CoOpPrompt', 'DePTHead']
    own = dict(names=['cat', 'crane', 'crane', 'owl'],
               ids=['n1', 'n2', 'n3', 'n4'], base=['n4', 'n1'])
    config['backbone']['vocabulary'] = config['head']['vocabulary'] = own
    model = MODELS.build(config)
    path = tmp_path / 'x.safetensors'
    write_adapter(path, model.state_dict(), dict(model=config))
    rebuilt = load_adapter(path, ['owl', 'newt', 'crane'], clip=clip)
    assert rebuilt.backbone.vocabulary.ids == ('n4', 'newt', 'crane')
    assert rebuilt.head.class_ids == ('n4', 'n1')


def test_sentences_travel_with_it(pair_configs, clip, images, tmp_path):
    """Nothing is read from the disk of whoever loads it."""
    config = pair_configs['none', 'DePTHead']
    names = config['backbone']['vocabulary']['names']
    file = tmp_path / 'sentences.json'
    file.write_text(json.dumps({n: [f'the {n}!', n] for n in names}))
    config['backbone'].update(sentences=str(file),
                              teacher=dict(sentences=str(file)))
    model = MODELS.build(config)
    path = tmp_path / 'x.safetensors'
    write_adapter(path, model.state_dict(), dict(model=config))
    expected = answers(model, images)
    file.unlink()
    assert torch.equal(answers(load_adapter(path, clip=clip), images),
                       expected)


def test_it_is_not_tuned_on_single_images(pair_configs, clip, images,
                                          tmp_path):
    config = pair_configs['CoOpPrompt', 'CLIPHead']
    config['backbone']['tpt'] = dict()
    path, model = tmp_path / 'x.safetensors', MODELS.build(config)
    write_adapter(path, model.state_dict(), dict(model=config))
    model.backbone.tpt = None
    expected = answers(model, images)
    assert torch.equal(answers(load_adapter(path, clip=clip), images),
                       expected)


def test_the_inferencer_takes_it(adapter, clip, images):
    model = load_adapter(adapter, ['newt', 'owl'], clip=clip)
    found, = ImageClassificationInferencer(model)(
        torch.zeros(40, 50, 3, dtype=torch.uint8).numpy())
    assert found['pred_class'] in ('newt', 'owl')
    assert len(found['pred_scores']) == 2


@pytest.mark.parametrize('changes, culprit', [
    (dict(prompt=None), 'holds a CoOpPrompt'),
    (dict(prompt=dict(type='CoOpPrompt', num_tokens=4)), r'\(16, 32\)'),
    (dict(prompt=dict(type='CoOpPrompt', class_specific=True)), 'red fox'),
])
def test_another_model_refuses_it(adapter, pair_configs, changes, culprit):
    config = pair_configs['CoOpPrompt', 'DePTHead']
    config['backbone'].update(changes)
    with pytest.raises(DeptError, match=culprit):
        load_checkpoint(MODELS.build(config), str(adapter))


def test_another_clip_refuses_it(adapter, clip_configs):
    with pytest.raises(DeptError, match='clip.name and clip.pretrained'):
        load_adapter(adapter, clip=clip_configs['resnet'])


def test_other_classes_are_refused_and_the_remedy_works(
        adapter, pair_configs, images):
    config = pair_configs['CoOpPrompt', 'DePTHead']
    config['head']['vocabulary'] = ['newt', 'cow']
    with pytest.raises(DeptError, match="'cow'.*'newt'.*use CLIPHead"):
        load_checkpoint(MODELS.build(config), str(adapter))
    config['head'] = dict(type='CLIPHead')
    config['backbone']['vocabulary'] = ['newt', 'cow']
    model = MODELS.build(config)
    load_checkpoint(model, str(adapter))
    assert torch.equal(model.backbone.prompt.context,
                       read_adapter(adapter).tensors[
                           'backbone.prompt.context'])
    assert answers(model, images).shape == (4, 2)


def hostile(path, change, tensors=None):
    """The adapter with another header or tensors, its checksum right."""
    file = read_adapter(path)
    header = json.loads(json.dumps(file.header))
    change(header)
    found = {k: v for k, v in {**file.tensors, **(tensors or {})}.items()
             if v is not None}
    text = json.dumps(header)
    path.write_bytes(save(found, dict(dept_mm=text,
                                      sha256=compute_checksum(text, found))))
    return path


def put(*keys, value):
    def change(header):
        node = header
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
    return change


MODEL = 'recipe', 'model'


@pytest.mark.parametrize('change, culprit', [
    (put(*MODEL, 'head', value=dict(type='os.mkdir', path='harm')),
     "asks for 'os.mkdir'"),
    (put(*MODEL, 'head', 'losses', value=[dict(type='builtins.print')]),
     "asks for 'builtins.print'"),
    (put(*MODEL, 'neck', value=dict(type='ResNet', depth=50)), "'ResNet'"),
    (put(*MODEL, 'head', 'type', value=['os.mkdir']), 'asks for'),
    (put('recipe', 'data_preprocessor', value=dict(type='os.mkdir')),
     "asks for 'os.mkdir'"),
    (put(*MODEL, 'backbone', 'sentences', value='/etc/passwd'),
     'a file of sentences'),
    (put(*MODEL, 'head', 'losses', value=[dict(
        type='PromptedCLIP', sentences='/etc/passwd')]),
     'a file of sentences'),
    (put(*MODEL, 'backbone', 'prompt', 'num_tokens', value=10**12),
     'the number 1e'),
    (put(*MODEL, 'backbone', 'prompt', 'num_tokens', value='many'),
     'no model can be built'),
    (put(*MODEL, 'backbone', value='text'), 'has no model'),
    (put(*MODEL, 'head', value=dict(type='CLIPHead')), 'head.linear.weight'),
    (put('modules', 'backbone', value={}), "backbone.header' .*damaged"),
    (put('modules', 'backbone', 'clip', value=7), 'damaged'),
    (put('modules', 'head', 'classes', value=['red fox']), 'linear.bias'),
    (put('modules', 'head', 'classes', value=[[]]), 'class names'),
    (put('modules', 'nothing', value={}), 'nothing.header'),
    (put('calibration', value=dict(temperature=0)), 'temperature 0'),
    (put('calibration', value=dict(temperature=10**400)), 'temperature 1'),
    (put('calibration', value=dict(temperature=float('nan'))), 'damaged'),
    (put('calibration', value=dict(temperature='1')), 'damaged'),
    (put('calibration', value=[]), 'damaged'),
    *[(put('calibration', value=dict(temperature=1, **block)), words)
      for block, words in (
          (dict(other=1), "calibration with .'temperature', 'other'"),
          (dict(distance_aware=1), 'calibration with'),
          (dict(validation_scores=None), 'damaged'),
          (dict(validation_scores=dict(os=[1])), "scores 'os'"),
          (dict(validation_scores=dict(aps=[])), "scores 'aps'"),
          (dict(validation_scores=dict(aps=['1'])), 'damaged'),
          (dict(validation_scores=dict(aps=[1, 0])), "scores 'aps'"),
          (dict(validation_scores=dict(aps=[0] * 200)), "scores 'aps'"),
          (dict(validation_scores=dict(mcm=[float('nan')])), "'mcm'"))],
])
def test_a_hostile_recipe_is_refused(adapter, clip, change, culprit,
                                     tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeptError, match=culprit):
        load_adapter(hostile(adapter, change), clip=clip)
    assert not (tmp_path / 'harm').exists()


@pytest.mark.parametrize('name, value', [
    ('backbone.prompt.context', None),
    ('backbone.prompt.context', torch.zeros(16, 33)),
    ('backbone.prompt.context', torch.zeros(16, 32).long()),
    ('backbone.prompt.other', torch.zeros(1)),
    ('other', torch.zeros(1)), ('head.header', torch.zeros(1)),
    ('head.linear.bias', torch.zeros(0, 2**40))])
def test_other_tensors_are_refused(adapter, clip, name, value):
    with pytest.raises(DeptError):
        load_adapter(hostile(adapter, lambda header: None, {name: value}),
                     clip=clip)


@pytest.mark.parametrize('clip_of_file', [
    dict(name='local-dir:/etc'), dict(name='hf-hub:some/body'),
    dict(name='builtin:../x'), dict(name='ViT-B-16', pretrained='x.pt'),
    dict(name=['ViT-B-16'], pretrained='openai'), None])
def test_a_file_does_not_choose_what_is_opened(adapter, clip_of_file):
    change = put(*MODEL, 'backbone', 'clip', value=clip_of_file)
    with pytest.raises(DeptError, match='a place, not a name'):
        load_adapter(hostile(adapter, change))


def test_class_names_must_be_a_list(adapter, clip):
    with pytest.raises(DeptError, match='give a list'):
        load_adapter(adapter, 'cat', clip=clip)


def test_whatever_a_recipe_says(adapter, clip, fuzz):
    """Its own error, or a config of modules that are known."""
    file = read_adapter(adapter)
    for recipe in fuzz(file.header['recipe']):
        if not isinstance(recipe, dict):
            continue  # refused when it is read
        header = dict(file.header, recipe=recipe)
        try:
            found = build_model_config(replace(file, header=header), clip)
        except DeptError:
            continue
        kinds = set(re.findall(r"'type': ([^,}]*)", str(found)))
        assert kinds <= {"'ImageClassifier'", "'PromptedCLIP'", "'DePTHead'",
                         "'CoOpPrompt'", "'CLIPDataPreprocessor'"}
