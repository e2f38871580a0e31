"""Models of every kind in other runtimes."""
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_models import ARCHITECTURES, HOSTS

from dept_mm.errors import DeptError
from dept_mm.export import export_model
from dept_mm.export.preprocessing import (
    add_preprocessing,
    describe_preprocessing,
)

OPEN = [host for host in HOSTS if host not in ('CoCoOpPrompt',
                                               'late-of-image')]


@pytest.fixture
def run():
    """A function of an ONNX file and its inputs by name."""
    def run(path, **given):
        session = onnxruntime.InferenceSession(path)
        there = {x.name for x in session.get_inputs()}
        names = [x.name for x in session.get_outputs()]
        return dict(zip(names, session.run(None, {
            key: x for key, x in given.items() if key in there}),
            strict=True))

    return run


@pytest.mark.parametrize('host', HOSTS)
def test_every_host(host, pair_configs, tune, tmp_path, images, run):
    """Another runtime gives the probabilities and, where it can, scores a
    class that is new, in a batch of another size."""
    model = tune(pair_configs[host, 'DePTHead'])
    out = export_model(model, tmp_path, open_vocabulary=host in OPEN)
    # The file itself must say so, too: the check inside could be wrong.
    found = run(tmp_path / 'model.onnx', pixels=images[:3].numpy())
    with torch.no_grad():
        expected = model.logits(images[:3])
    np.testing.assert_allclose(found['logits'], expected, atol=1e-4)
    np.testing.assert_allclose(
        found['probabilities'], (expected / 1.5).softmax(1), atol=1e-5)
    assert max(out.differences.values()) < 1e-4
    assert (tmp_path / 'text.onnx').exists() == (host in OPEN)


def score_also(found, weights, trained, temperature):
    """Probabilities of known classes and of further ones, as docs/export.md
    describes it."""
    known, s = found['logits'], found['similarities']
    new = found['image_features'] @ weights.T
    mass = np.log(np.exp(s[:, trained]).sum(1) / np.exp(
        known[:, trained]).sum(1))
    known = np.where(trained, known + mass[:, None], s)
    return (torch.tensor(np.concatenate([known, new], 1)) / temperature
            ).softmax(1)


@pytest.mark.parametrize('fusion', ['logits', 'probs'])
@pytest.mark.parametrize('base', [3, 5])
def test_new_classes_join_as_in_python(fusion, base, pair_configs, tune, run,
                                       tmp_path):
    """Whether classes without a row are there already, or not."""
    config = pair_configs['TCPPrompt', 'DePTHead']
    names = config['head']['vocabulary']
    names['base'] = names['names'][:base]
    config['head']['fusion'] = fusion
    model = tune(config)
    out = export_model(model, tmp_path, open_vocabulary=True,
                       with_preprocessing=True)
    images = [np.random.default_rng(0).integers(
        0, 256, (32, 32, 3), np.uint8) for _ in range(2)]
    found = run(tmp_path / 'model.onnx',
                images=np.stack(images)[..., ::-1])
    text = json.loads((tmp_path / 'model.json').read_text())
    new = ('green Tree frog', 'cup, of (tea)')
    tokens = out.texts.tokenize(new)
    weights = run(tmp_path / 'text.onnx', **{
        key: x.numpy() for key, x in zip(
            text['texts']['inputs'], tokens, strict=True)})
    scores = score_also(found, weights['class_weights'], text['trained'],
                        text['temperature'])
    expected = model.with_classes(new, also=True).probabilities(images)
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)
    assert text['trained'] == [True] * base + [False] * (5 - base)
    assert text['classes'] == list(model.classes)


@pytest.mark.parametrize('kind', ARCHITECTURES)
def test_every_tower(kind, clip_configs, vocabulary, tune, tmp_path):
    clip = clip_configs[kind]
    model = tune(dict(
        type='ImageClassifier', head=dict(type='CLIPHead'),
        backbone=dict(type='PromptedCLIP', clip=clip, vocabulary=vocabulary)))
    out = export_model(model, tmp_path, open_vocabulary=True)
    assert max(out.differences.values()) < 1e-4


def test_a_linear_probe_and_a_cache(clip, vocabulary, tune, tmp_path):
    """Necks and heads that are no part of the hosts above."""
    names = vocabulary.to_dict()
    probe = dict(type='ImageClassifier',
                 backbone=dict(type='PromptedCLIP', clip=clip),
                 head=dict(type='LinearProbeHead', clip=clip,
                           vocabulary=names))
    model = tune(probe)
    assert export_model(model, tmp_path).differences['model.onnx'] < 1e-4
    with pytest.raises(DeptError, match='no text tower.*without --open-voc'):
        export_model(model, tmp_path, open_vocabulary=True)
    model = tune(dict(
        probe, head=dict(type='CLIPHead'),
        backbone=dict(type='PromptedCLIP', clip=clip, vocabulary=names),
        neck=dict(type='TipAdapter', clip=clip, vocabulary=names,
                  num_shots=2, alpha=3)))
    model.module.neck.fill(torch.randn(4, 16), [names['base'][i]
                                                for i in (0, 1, 1, 2)])
    out = export_model(model, tmp_path, open_vocabulary=True)
    assert out.differences['model.onnx'] < 1e-4


@pytest.mark.parametrize('host', ['MaPLePrompt', 'CoCoOpPrompt'])
def test_torchscript(host, pair_configs, tune, tmp_path, images):
    model = tune(pair_configs[host, 'DePTHead'])
    export_model(model, tmp_path, 'torchscript',
                 open_vocabulary=host in OPEN)
    logits, _, *_ = torch.jit.load(tmp_path / 'model.pt')(images)
    with torch.no_grad():
        torch.testing.assert_close(logits, model.logits(images), atol=1e-4,
                                   rtol=0)


@pytest.mark.parametrize('mode', ['shortest', 'squash'])
@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear'])
def test_images_are_prepared_as_by_the_pipeline(mode, interpolation, tmp_path,
                                                clip, tune, run):
    """But for roundings of single pixels."""
    folder = Path(clip['name'].removeprefix('local-dir:'))
    config = json.loads((folder / 'open_clip_config.json').read_text())
    config['preprocess_cfg'] |= dict(interpolation=interpolation,
                                     resize_mode=mode)
    (tmp_path / 'open_clip_config.json').write_text(json.dumps(config))
    clip = dict(clip, name=f'local-dir:{tmp_path}')
    model = tune(dict(type='ImageClassifier', head=dict(type='CLIPHead'),
                      backbone=dict(type='PromptedCLIP', clip=clip,
                                    vocabulary=['cat'])))
    path = tmp_path / 'same.onnx'
    onnx.save(onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 18]> same '
        '(float[n, 3, 32, 32] pixels) => (float[n, 3, 32, 32] out) '
        '{ out = Identity (pixels) }'), path)
    add_preprocessing(path, describe_preprocessing(model))
    rng, grey = np.random.default_rng(0), 1 / 255 / .25
    for size in ((150, 101), (64, 201), (33, 32), (20, 25)):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        found = run(path, images=image[None, ..., ::-1])['out']
        difference = np.abs(found - model.pixels(image).numpy())
        assert difference.max() < 2.1 * grey
        assert (difference > .1 * grey).mean() < .02


def test_int8_is_smaller_and_need_not_be_equal(pair_configs, tune, tmp_path):
    out = export_model(tune(pair_configs['CoOpPrompt', 'DePTHead']), tmp_path,
                       int8=True)
    assert set(out.runs) == {'model.onnx', 'model.int8.onnx'}
    kinds = {node.op_type for node in onnx.load(
        tmp_path / 'model.int8.onnx').graph.node}
    assert {'MatMulInteger', 'Conv'} <= kinds
    assert 'model.int8.onnx' not in out.differences


def test_a_student_holds_the_texts_of_its_classes(clip, vocabulary, tune,
                                                  tmp_path):
    """So it has none for new names."""
    names = vocabulary.to_dict()
    model = tune(dict(
        type='ImageClassifier', head=dict(type='CLIPHead'),
        backbone=dict(type='PromptedCLIP', clip=clip, vocabulary=names),
        neck=dict(type='TeacherSpace', clip=clip, width=24,
                  vocabulary=vocabulary.names)))
    model.module.neck.text.normal_()
    assert export_model(model, tmp_path).differences
    with pytest.raises(DeptError, match='TeacherSpace holds the texts'):
        export_model(model, tmp_path, open_vocabulary=True)


def test_what_cannot_be_exported_is_named(pair_configs, tune, tmp_path,
                                          monkeypatch):
    for host, words in (('CoCoOpPrompt', 'texts of CoCoOpPrompt depend'),
                        ('late-of-image', 'texts of TowerPrompts depend')):
        with pytest.raises(DeptError, match=words):
            export_model(tune(pair_configs[host, 'DePTHead']), tmp_path,
                         open_vocabulary=True)
    model = tune(pair_configs['CoOpPrompt', 'DePTHead'])
    with pytest.raises(DeptError, match='are for --format onnx'):
        export_model(model, tmp_path, 'torchscript', int8=True)
    with pytest.raises(DeptError, match='Distance-aware'):
        export_model(replace(model, distance_aware=True), tmp_path)
    model.config.test_dataloader.dataset.pipeline.insert(
        1, dict(type='Grayscale'))
    with pytest.raises(DeptError, match=r"pipeline of the model is .*'Gray"):
        export_model(model, tmp_path)
