"""Which parts of an image speak for a class."""
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from run_tool import run_tool
from torch import nn

import dept_mm
from dept_mm.apis import TunedModel
from dept_mm.errors import DeptError
from dept_mm.registry import MODELS
from dept_mm.reports.saliency import explain_image, find_layer
from dept_mm.structures import Vocabulary

pytest.importorskip('pytorch_grad_cam')


@pytest.fixture
def make(clip_configs, vocabulary):
    """A function that gives a model with a CLIP of some kind."""
    def make(kind, **options):
        clip = clip_configs[kind]
        module = MODELS.build(dict(
            type='ImageClassifier', backbone=dict(
                type='PromptedCLIP', clip=clip,
                vocabulary=Vocabulary(vocabulary.names).to_dict(), **options),
            head=dict(type='CLIPHead'), data_preprocessor=dict(
                type='CLIPDataPreprocessor', clip=clip))).eval()
        steps = [dict(type='CLIPResizeCenterCrop', clip=clip),
                 dict(type='PackInputs')]
        return TunedModel(module, Config(dict(test_dataloader=dict(
            dataset=dict(pipeline=steps)))))

    return make


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(
        0, 255, (32, 32, 3), dtype=np.uint8))


PROMPTS = dict(vit=dict(prompt=dict(type='IVLPPrompt', text_depth=2,
                                    image_depth=2)), resnet={}, timm={})


@pytest.mark.parametrize('kind', PROMPTS)
def test_is_grad_cam_of_the_layer(kind, make, photo):
    """Against gradients of autograd, at the corners."""
    model = make(kind, **PROMPTS[kind])
    model.predict(photo)  # what it keeps takes no gradients
    found = explain_image(model, photo, 'owl')
    assert found.image.tolist() == np.asarray(photo).tolist()
    assert found.probability == pytest.approx(
        float(model.probabilities(photo)[0, 3]), rel=1e-4)

    rgb = torch.from_numpy(found.image).permute(2, 0, 1).flip(0)
    inputs = model.prepare(dict(inputs=[rgb])).requires_grad_()
    layer, _ = find_layer(model, inputs)
    kept = []
    handle = layer.register_forward_hook(lambda *args: kept.append(args[2]))
    logit = model.logits(inputs)[0, 3]
    handle.remove()
    grad, = torch.autograd.grad(logit, kept)
    # Tokens of a ViT: class token, four patches in rows, prompts.
    features, grad = (
        t if t.ndim == 4 else t[:, 1:5].reshape(1, 2, 2, -1).permute(
            0, 3, 1, 2) for t in (kept[0], grad))
    assert features.ndim == 4 and features.shape[-1] > 1
    cam = (grad.mean((2, 3), keepdim=True) * features).sum(1)[0].relu()
    cam = (cam - cam.min()) / (cam.max() - cam.min() + 1e-7)
    size = features.shape[-1]
    assert found.weight.shape == (32, 32)
    # Resizing keeps the corners.
    assert found.weight[::31, ::31] == pytest.approx(
        cam[::size - 1, ::size - 1].detach().numpy(), abs=.02)


def test_classes(make, photo):
    model = make('vit')
    likeliest = model.predict(photo, k=1)[0]
    assert explain_image(model, photo).name == likeliest.name
    found = explain_image(model, photo, 'sea horse')
    assert found.name == 'sea horse' and 0 < found.probability < 1


def test_what_is_refused(make, photo, monkeypatch):
    model = make('vit')
    with pytest.raises(DeptError, match='Give one image; there are 2'):
        explain_image(model, [photo, photo])

    flat = SimpleNamespace(module=SimpleNamespace(backbone=nn.Flatten()),
                           logits=nn.Flatten())
    with pytest.raises(DeptError, match='Flatten has neither'):
        find_layer(flat, torch.zeros(1, 3, 32, 32))
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    with pytest.raises(DeptError, match='pip install "grad-cam'):
        explain_image(model, photo)


def test_tool(make, photo, tmp_path, monkeypatch):
    monkeypatch.setattr(dept_mm.apis, 'load_classifier',
                        lambda path: make('vit'))
    photo.save(tmp_path / 'photo.png')
    done = run_tool('saliency.py', 'model', tmp_path / 'photo.png', '--class',
                    'owl', cwd=tmp_path)
    assert done.stdout.startswith('owl ') and not done.returncode
    picture = Image.open(tmp_path / 'saliency_photo.png')
    assert picture.size == (64, 32)
    assert picture.crop((0, 0, 32, 32)).tobytes() == photo.tobytes()
    assert run_tool('saliency.py', 'model', tmp_path / 'no.png').returncode
