"""Adapters of language models: written, loaded, and refused."""
import json

import pytest
import torch
from mmengine.config import Config

pytest.importorskip('transformers')
pytest.importorskip('peft')
from language_models import perturb, save
from safetensors.torch import save as save_tensors

import dept_mm
from dept_mm.apis import publish
from dept_mm.errors import DeptError
from dept_mm.exchange import load_adapter, read_adapter
from dept_mm.exchange.adapter_file import compute_checksum
from dept_mm.language import PromptedLanguageModel
from dept_mm.language.use import TunedTextModel

TEXTS = ['the film was great', 'a boring plot and a terrible cast .']
# One of each way to keep a size, and one that has none.
PROMPTS = dict(
    SoftPrompt={}, ADePTPrompt=dict(num_tokens=2),
    LatePrompt=dict(layer=2, num_tokens=2, generator='mppg'))
TUNINGS = 'BitFit', 'LoRA', 'BottleneckAdapters', 'DeepPrompts'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('adapter')
    save('roberta', root / 'lm')
    return root


def train(folder, **options):
    """A model away from its start, and a checkpoint of it."""
    config = dict(dict(
        type='PromptedLanguageModel', lm=dict(name=str(folder / 'lm')),
        head=dict(type='LinearTextHead', task=dict(
            type='TextDataset', task=dict(base='sst2', words=('bad', 'good')),
            data_root=str(folder))), max_length=12), **options)
    torch.manual_seed(1)
    model = perturb(PromptedLanguageModel(
        **{k: v for k, v in config.items() if k != 'type'})).eval()
    path = folder / 'epoch_1.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(
        cfg=Config(dict(model=config)).pretty_text)), path)
    return TunedTextModel(model), path


@pytest.fixture(scope='module')
def linear(folder):
    """A model, and its adapter."""
    model, path = train(folder)
    return model, publish(path, folder / 'linear')


@pytest.mark.parametrize('method', [*PROMPTS, *TUNINGS])
def test_every_method_comes_back(folder, method):
    """It needs neither config nor budget, and says what the model said."""
    part = dict(type=method, **PROMPTS.get(method, {}))
    options = (dict(prompts=[part]) if method in PROMPTS else
               dict(tuning=part))
    budget = {} if method == 'BitFit' else dict(budget=1600)
    model, path = train(folder, **options, **budget)
    out = publish(path, folder / 'mine')
    file = read_adapter(out)
    recipe = file.header['recipe']['model']
    assert 'budget' not in recipe and str(folder) not in json.dumps(
        dict(recipe, lm=None))
    found = dept_mm.load(out, lm=str(folder / 'lm'))
    learned = sum(p.numel() for p in found.module.parameters())
    assert learned == sum(v.numel() for v in file.tensors.values())
    for one, other in zip(found.predict(TEXTS), model.predict(TEXTS),
                          strict=True):
        assert one == other


def test_what_it_says(folder, linear):
    model, path = linear
    header = read_adapter(path).header
    assert header['format'] == 2
    own = header['modules']['']
    assert own['lm'] == dict(name=str(folder / 'lm'),
                             sha256=model.module.lm.digest)
    assert own['classes'] == ['negative', 'positive']
    assert own['task'] == dict(template='{sentence}')
    assert header['recipe']['model']['head']['task']['words'] == [
        'bad', 'good']


def test_a_place_is_not_followed(linear, folder):
    """What is downloaded, or read from this disk, is for the user to say."""
    with pytest.raises(DeptError, match='a place, not a name.*--lm NAME'):
        dept_mm.load(linear[1])
    assert dept_mm.load(linear[1], lm=dict(name=str(folder / 'lm')))


def test_another_language_model_is_refused(linear, tmp_path, folder):
    from transformers import AutoModelForMaskedLM
    model = AutoModelForMaskedLM.from_pretrained(folder / 'lm')
    with torch.no_grad():
        model.lm_head.bias += 1
    save('roberta', tmp_path)
    model.save_pretrained(tmp_path)
    with pytest.raises(DeptError, match='was trained on .*Set lm.name'):
        dept_mm.load(linear[1], lm=str(tmp_path))


def test_a_checkpoint_that_is_asked_otherwise_is_refused(folder, linear):
    other, _ = train(folder, head=dict(
        type='LinearTextHead', task='sst2', template='{sentence} .'))
    with pytest.raises(DeptError, match='trained on .*give head.task'):
        other.module.load_state_dict(read_adapter(linear[1]).state_dict)


def rewrite(path, out, change=lambda header: None, drop=()):
    """Write a file with another content and a right checksum."""
    file = read_adapter(path)
    header = json.loads(json.dumps(file.header))
    change(header)
    text = json.dumps(header)
    tensors = {k: v for k, v in file.tensors.items() if k not in drop}
    out.write_bytes(save_tensors(tensors, dict(
        dept_mm=text, sha256=compute_checksum(text, tensors))))
    return out


def test_what_is_missing_or_damaged_is_refused(linear, folder, tmp_path):
    path, lm = tmp_path / 'x.safetensors', str(folder / 'lm')
    with pytest.raises(DeptError, match='head.linear.bias: missing in'):
        dept_mm.load(rewrite(linear[1], path, drop=('head.linear.bias', )),
                     lm=lm)
    with pytest.raises(DeptError, match="damaged.*KeyError\\('classes'\\)"):
        dept_mm.load(rewrite(linear[1], path, lambda h: h['modules'][
            ''].pop('classes')), lm=lm)
    data = bytearray(linear[1].read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DeptError, match='its checksum differs'):
        dept_mm.load(path, lm=lm)


@pytest.mark.parametrize('key, value, culprit', [
    ('head', dict(type='os.system'), "'os.system', which is no such module"),
    ('head', dict(type='CLIPHead', task={}), "'CLIPHead', which is no such"),
    ('prompts', [dict(type='CoOpHead')], "'CoOpHead', which is no such"),
    ('tuning', dict(type='LoRA', megatron_core='antigravity'),
     "tunes with \\['megatron_core'\\]"),
    ('tuning', dict(type='LoRA', target_modules='(a+)+b'), 'tunes with'),
    ('tuning', dict(type='LoRA', r=1 << 30), 'number 1.07e'),
    ('lm', dict(name='x', trust_remote_code=True), "'trust_remote_code'"),
    ('device', 'cuda', "\\['device'\\]"),
    ('max_length', None, 'no model can be built'),
    ('head', dict(type='LinearTextHead', task=dict(columns=dict(a='a')),
                  template='{a:>99999999}'), 'does more than show'),
    ('head', dict(type='LinearTextHead', task=3), 'has no task')])
def test_a_hostile_recipe_is_refused(linear, folder, tmp_path, key, value,
                                     culprit):
    def change(header):
        header['recipe']['model'][key] = value

    path = rewrite(linear[1], tmp_path / 'x.safetensors', change)
    with pytest.raises(DeptError, match=culprit):
        dept_mm.load(path, lm=str(folder / 'lm'))


def test_others_say_what_it_is(linear, folder):
    with pytest.raises(DeptError, match='is of a language model'):
        load_adapter(linear[1])
    with pytest.raises(DeptError, match='clip can be given with an adapter'):
        dept_mm.load(linear[1], clip=dict(name='x'))
    with pytest.raises(DeptError, match='model.merge\\(\\) of a language'):
        dept_mm.merge(linear[0])
    with pytest.raises(DeptError, match='is an adapter already'):
        publish(linear[1], folder / 'again')
    _, path = train(folder, lm=dict(name=str(folder / 'lm'),
                                    pretrained=False))
    with pytest.raises(DeptError, match='random weights'):
        publish(path, folder / 'random')
