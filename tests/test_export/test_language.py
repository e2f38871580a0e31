"""Tuned language models in onnxruntime."""
import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from mmengine.config import Config

pytest.importorskip('transformers')
pytest.importorskip('peft')
from language_models import build, perturb

from dept_mm.errors import DeptError
from dept_mm.export import export_language_model, score_language_files
from dept_mm.language.use import TunedTextModel

TEXTS = ['the film was great', 'it was a boring film and a terrible plot',
         'bad', 'no']
# Each family, each method, and each way to read hidden states.
CASES = [
    ('roberta', 'LoRA', dict(type='LinearTextHead', pool='mean')),
    ('bert', 'BitFit', dict(type='MaskedLMHead')),
    ('gpt2', 'IA3', dict(type='LinearTextHead')),
    ('llama', 'FullTuning', dict(type='LinearTextHead', pool='first')),
    ('t5', None, dict(type='LinearTextHead', pool='mean'))]


def tune(family, tuning, head, task='sst2', **options):
    return TunedTextModel(perturb(build(
        family, head=dict(head, task=task), backbone_eval=True,
        tuning=tuning and dict(type=tuning), **options)))


@pytest.mark.parametrize('family, tuning, head', CASES)
def test_it_is_the_model(family, tuning, head, tmp_path):
    """From the files alone, for texts of any number and length."""
    import transformers
    model = tune(family, tuning, head)
    out = export_language_model(model, tmp_path)
    assert max(out.differences.values()) < 1e-4
    about = json.loads((tmp_path / 'model.json').read_text())
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.padding_side == 'right'
    given = tokenizer(
        [about['template'].format(sentence=text, **about['signs'])
         for text in TEXTS], padding=True, return_tensors='np')
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx')
    logits, found = session.run(about['outputs'], {
        name: given[name] for name in about['inputs']})
    np.testing.assert_allclose(torch.tensor(logits).softmax(1), found,
                               atol=1e-6)
    for row, one in zip(found, model.predict(TEXTS), strict=True):
        assert about['classes'][row.argmax()] == one.answer
        assert sorted(row, reverse=True) == pytest.approx(
            one.probabilities, abs=1e-5)


def test_values(tmp_path):
    model = tune('bert', 'BitFit', dict(type='LinearTextHead'), 'stsb')
    out = export_language_model(model, tmp_path)
    assert json.loads((tmp_path / 'model.json').read_text())['outputs'] == [
        'logits']
    tokens = model.module.head.ask([dict(sentence1='a', sentence2='film')])
    found = out.runs['model.onnx'](tokens.ids.numpy(),
                                   tokens.mask.long().numpy())
    one, = model.predict(dict(sentence1='a', sentence2='film'))
    assert found['logits'].item() == pytest.approx(one.answer, abs=1e-4)


@pytest.mark.parametrize('options, words', [
    (dict(tuning=dict(type='BottleneckAdapters')), 'adds parts to the model'),
    (dict(prompts=[dict(type='SoftPrompt', num_tokens=2)]),
     'this one has prompts'),
    (dict(head=dict(type='CausalLMHead', task='sst2')),
     'CausalLMHead does not read its answer off one run')])
def test_what_cannot_be_folded(options, words, tmp_path):
    options = dict(options)
    prompts = options.pop('prompts', ())
    family = 'gpt2' if 'head' in options else 'roberta'
    model = TunedTextModel(build(family, *prompts, **options))
    with pytest.raises(DeptError, match=words) as error:
        export_language_model(model, tmp_path / 'out')
    assert 'head' in options or (
        'tuned by BitFit, FullTuning, IA3, LoRA, or' in str(error.value))
    assert not (tmp_path / 'out').exists()


def test_a_wrong_graph_is_noticed(tmp_path):
    model = tune('bert', None, dict(type='LinearTextHead'))
    model.module.head.linear.register_forward_hook(
        lambda module, given, out: out * len(out))  # a constant of the graph
    with pytest.raises(DeptError, match='model.onnx is wrong'):
        export_language_model(model, tmp_path)


def test_scores_on_test_texts(tmp_path):
    model = tune('bert', None, dict(type='LinearTextHead'), 'mr')
    (tmp_path / 'test.tsv').write_text(''.join(
        f'{i % 2}\t{TEXTS[i % 4]}\n' for i in range(35)))
    with pytest.raises(DeptError, match='no test texts'):
        score_language_files(model, {})
    config = Config(dict(test_dataloader=dict(dataset=dict(
        type='TextDataset', task='mr', split='test',
        data_root=str(tmp_path)))))
    model = replace(model, config=config)
    out = export_language_model(model, tmp_path)
    count, scores = score_language_files(model, out.runs)
    right = sum(one.answer == model.classes[i % 2] for i, one in enumerate(
        model.predict([TEXTS[i % 4] for i in range(35)])))
    assert count == 35 and scores['PyTorch'].right == right
    assert scores['model.onnx'].right == right
    assert scores['model.onnx'].same == 35
    assert scores['model.onnx'].largest < 1e-4
