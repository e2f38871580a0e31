"""The models of the package's zoo, and zoos of others."""
import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmpretrain import get_model, inference_model, list_models
from mmpretrain.apis import ModelHub
from PIL import Image
from run_tool import run_tool

import dept_mm
from dept_mm.config import config_fingerprint, read_config
from dept_mm.errors import DeptError
from dept_mm.evaluation import BaseNewMetric, read_result
from dept_mm.registry import DATASETS

ROOT = Path(__file__).parents[2]
ZOO = ROOT / 'dept_mm/assets/zoo'
MODELS = yaml.safe_load((ZOO / 'metafile.yml').read_text())['Models']
NAMES = [model['Name'] for model in MODELS]


def counts(name, row='tuned'):
    """Half -> [right, all] of each class, as the run has counted."""
    found = read_result(ZOO / f'{name}.result.json')
    halves, = found['results'][row].values()
    return {half: found['classes'] for half, found in halves.items()}


def test_what_is_registered():
    """All of it has weights, and is spelled as MMPretrain finds it."""
    assert NAMES == [
        'coop_quickstart', 'dept_quickstart-clip-adapter',
        'dept_quickstart-maple', 'dept_quickstart-vpt', 'dept_quickstart']
    ours = [name for name in list_models()
            if str(ROOT / 'dept_mm') in ModelHub._models_dict[name].filepath]
    assert ours == sorted(NAMES)
    assert sum(path.stat().st_size for path in ZOO.iterdir()) < 400_000


def test_checksums():
    lines = (ZOO / 'SHA256SUMS').read_text().splitlines()
    assert dict(line.split('  ')[::-1] for line in lines) == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ZOO.iterdir() if path.name != 'SHA256SUMS'}


@pytest.mark.parametrize('model', MODELS, ids=NAMES)
def test_metrics_are_those_of_the_run(model):
    result, = model['Results']
    base, new = (100 * sum(right) / sum(total) for right, total in (
        zip(*counts(model['Name'])[half].values(), strict=True)
        for half in ('base', 'new')))
    assert result['Metrics'] == {
        'Base': round(base, 2), 'New': round(new, 2),
        'H': round(2 * base * new / (base + new), 2)}
    text = (ROOT / 'docs/checkpoints.md').read_text()
    assert re.search(rf'`{model["Name"]}` \| .+ \| ' + r' \| '.join(
        f'{value:.2f}' for value in result['Metrics'].values()), text)


@pytest.mark.parametrize('model', MODELS, ids=NAMES)
def test_config_is_that_of_the_run(model):
    """It trains what the config of this package trains."""
    config, about = Config.fromfile(ZOO / model['Config']), model['Metadata']
    measured = ZOO / about['Evidence'].split(', ')[1]
    assert config_fingerprint(config) == read_result(measured)['fingerprint']
    leaf = read_config(ROOT / f'configs/{about["Recipe"]}.py')
    for key in ('model', 'optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert config[key] == leaf[key]
    assert config.randomness.seed == about['Seed'] == 1


@pytest.mark.parametrize('model', MODELS, ids=NAMES)
def test_one_model_by_its_name(model):
    name = model['Name']
    one, two = get_model(name, pretrained=True), dept_mm.load(name)
    three = dept_mm.load(ZOO / model['Config'], ZOO / model['Weights'])
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        logits = one(images)
        assert torch.equal(logits, two.module(images))
        assert torch.equal(logits, three.module(images))
        assert not torch.allclose(logits, get_model(name)(images))
    assert set(two.classes) == set().union(*counts(name).values())
    assert model['Metadata']['Parameters'] == sum(
        p.numel() for p in one.parameters() if p.requires_grad)


def test_inference_by_name(tmp_path):
    photo = torch.randint(255, (80, 90, 3), dtype=torch.uint8).numpy()
    found = inference_model('dept_quickstart', photo)
    mine, = dept_mm.load('DePT_quickstart').predict(photo)
    assert found['pred_class'] == mine.classes[0]
    assert found['pred_score'] == pytest.approx(mine.probabilities[0], 1e-4)
    path = tmp_path / 'photo.png'
    Image.fromarray(photo[..., ::-1]).save(path)
    done = run_tool('predict.py', 'dept_quickstart', path)
    assert done.returncode == 0, done.stderr
    assert f'{mine.classes[0]}  ' in done.stdout


@pytest.mark.parametrize('name, labels', [
    ('dept_quickstart', [9, 30]), *(pytest.param(
        name, list(range(1, 32, 5)), marks=pytest.mark.slow)
        for name in NAMES)])
@torch.no_grad()
def test_some_classes_are_measured_again(name, labels):
    model = get_model(name, pretrained=True)
    data = DATASETS.build(dict(
        model._config.test_dataloader.dataset,
        indices=[50 * label + i for label in labels for i in range(50)]))
    metric = BaseNewMetric()
    metric.dataset_meta = data.metainfo
    metric.process(None, [sample.to_dict() for sample in model.test_step(
        pseudo_collate([data[i] for i in range(len(data))]))])
    metric.compute_metrics(metric.results)
    off = 0
    for half, found in metric.halves.items():
        for title, (right, total) in found['classes'].items():
            expected, of = counts(name)[half][title]
            assert total == of == 50
            # Another processor may round one score to the other side.
            assert abs(right - expected) <= 1
            off += abs(right - counts(name, 'zero-shot')[half][title][0])
    assert set(metric.halves) == {'base', 'new'} and off > 20


def test_a_zoo_of_somebody(tmp_path, monkeypatch):
    monkeypatch.setattr(ModelHub, '_models_dict', dict(ModelHub._models_dict))
    with pytest.raises(DeptError, match='nowhere has no metafile.yml'):
        dept_mm.register_zoo('nowhere')
    index = tmp_path / 'metafile.yml'
    entry = dict(MODELS[-1], Weights='x.safetensors')
    index.write_text(json.dumps(dict(Models=[entry])))
    with pytest.raises(DeptError, match='other.*names dept_quickstart'):
        dept_mm.register_zoo(tmp_path)
    index.write_text(json.dumps(dict(Models=[dict(entry, Name='Mine')])))
    for name in ('x.safetensors', 'dept_quickstart.json'):
        (tmp_path / name).write_bytes(
            (ZOO / name.replace('x', 'dept_quickstart')).read_bytes())
    for _ in range(2):
        dept_mm.register_zoo(tmp_path)
    assert 'mine' in list_models()
    assert get_model('mine', pretrained=True)
    (tmp_path / 'x.safetensors').unlink()
    with pytest.raises(DeptError, match='x.safetensors cannot be read'):
        dept_mm.load('mine')
