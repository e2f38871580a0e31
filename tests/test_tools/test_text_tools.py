"""Language models on the command line: published, asked and exported."""
import csv
import json

import pytest
import torch
from mmengine.config import Config
from run_tool import run_tool

pytest.importorskip('transformers')
from language_models import perturb, save

from dept_mm.language import PromptedLanguageModel
from dept_mm.language.use import TunedTextModel

TEXTS = ['the film was great', 'boring']


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """A model, and its adapter in a folder, by the tool."""
    root = tmp_path_factory.mktemp('texts')
    save('bert', root / 'lm')
    config = dict(lm=dict(name='lm'), max_length=20,
                  head=dict(type='LinearTextHead', task='mr'))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        module = perturb(PromptedLanguageModel(**config)).eval()
    torch.save(dict(state_dict=module.state_dict(), meta=dict(cfg=Config(dict(
        model=dict(config, type='PromptedLanguageModel'))).pretty_text)),
        root / 'x.pth')
    found = run_tool('publish_model.py', 'x.pth', 'mine', cwd=root)
    path, = root.glob('mine_*.safetensors')
    assert found.stdout == f'{path.name}: {path.stat().st_size:,} bytes\n'
    path.rename(root / 'mine.safetensors')
    return TunedTextModel(module), root


def predict(root, *args):
    return run_tool('predict.py', 'mine.safetensors', *args, cwd=root)


def test_lines(model):
    model, root = model
    found = predict(root, *TEXTS, '--devices', 'cpu')
    assert not found.returncode, found.stderr
    for line, one in zip(found.stdout.splitlines(), model.predict(TEXTS),
                         strict=True):
        assert line == f'{one.texts["sentence"]:<18}' + ''.join(
            f'  {name} {100 * value:5.1f} %' for name, value in zip(
                one.classes, one.probabilities, strict=True))


def test_files(model):
    model, root = model
    (root / 'a.txt').write_text('\n'.join(TEXTS))
    expected = model.predict([*TEXTS, *TEXTS])
    for name in ('x.csv', 'x.jsonl', 'x.json'):
        found = predict(root, *TEXTS, '--files', 'a.txt', '--out', name,
                        '--batch-size', '3', '--devices', 'cpu')
        assert found.stdout == f'4 texts answered: {name}\n', found.stderr
    with open(root / 'x.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    objects = json.loads((root / 'x.json').read_text())
    assert objects == [json.loads(line) for line in (
        root / 'x.jsonl').read_text().splitlines()]
    for row, found, one in zip(rows, objects, expected, strict=True):
        assert row['sentence'] == one.texts['sentence']
        assert row['prediction'] == row['class_1'] == one.answer
        assert float(row['probability_2']) == pytest.approx(
            one.probabilities[1], abs=1e-6)
        assert found['texts'] == one.texts and [
            c['name'] for c in found['classes']] == list(one.classes)


@pytest.mark.parametrize('args, words', [
    ([], "There are no texts: give them, or --files with the columns ['se"),
    (['x', '--calibrate', '--threshold', '.5'],
     '--threshold, --calibrate cannot be given with a language model'),
    (['x', '--clip', 'x'], 'clip can be given with an adapter of a CLIP'),
    (['x', '-k', '0'], 'k is 0'), (['x', '--out', 'x.xlsx'], 'must end in'),
    (['--files', 'nowhere.csv'], 'Text file not found'),
    (['x', '--devices', 'cpu', 'cpu'], 'runs on one device')])
def test_mistakes(model, args, words):
    found = predict(model[1], *args)
    assert found.returncode == 1 and not found.stdout
    assert found.stderr.splitlines()[-1].startswith('error: ')
    assert words in found.stderr


def test_export(model):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    model, root = model
    found = run_tool('export.py', 'mine.safetensors', 'out', cwd=root)
    assert not found.returncode, found.stderr
    assert 'out/model.onnx: ' in found.stdout
    assert ' bytes, differs from PyTorch by ' in found.stdout
    about = json.loads((root / 'out/model.json').read_text())
    assert about['source']['name'] == 'mine.safetensors'
    found = run_tool('export.py', 'mine.safetensors', 'out', '--int8',
                     '--format', 'torchscript', cwd=root)
    assert ('--format, --int8 cannot be given with a language model'
            in found.stderr)


@pytest.mark.parametrize('tool, args', [
    ('saliency.py', ['x.png']), ('demo.py', ['page']),
    ('retrieve.py', ['captions.csv'])])
def test_tools_for_images_say_so(model, tool, args):
    found = run_tool(tool, 'mine.safetensors', *args, cwd=model[1])
    assert found.returncode == 1 and not found.stdout
    assert 'This is for models of images' in found.stderr
