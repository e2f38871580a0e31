"""Compiled blocks give the same numbers, and are taken away again."""
import shutil
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dept_mm.engine.hooks import CompileHook
from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import build_clip

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason='a GPU')


def runner_of(backbone):
    model = nn.Module()
    model.backbone = backbone
    return SimpleNamespace(model=model)


def step(backbone, image):
    text = backbone.text_features(image)
    return text, torch.autograd.grad(
        text.square().sum(), list(backbone.parameters()), allow_unused=True)


@pytest.mark.parametrize('options', [dict(), dict(cuda_graphs=True)])
@ON_GPU
def test_the_same_numbers(clip, vocabulary, learner, options):
    """Every learner, in training and with all classes."""
    check(clip, vocabulary, learner, options, 'cuda')


@pytest.mark.parametrize('prompt', [
    dict(type='CoOpPrompt'), dict(type='MaPLePrompt', depth=2)])
def test_the_same_numbers_on_a_cpu(clip, vocabulary, prompt):
    """Prompts of the input, and of the blocks."""
    check(clip, vocabulary, prompt, dict(backend='aot_eager'), 'cpu')


@pytest.mark.soak
@pytest.mark.skipif(not shutil.which('g++'), reason='a C++ compiler')
def test_the_same_numbers_from_kernels(clip, vocabulary):
    """Per-image prompts, whose gradients come out wrong without the options
    that the hook gives to inductor."""
    check(clip, vocabulary, dict(type='CoCoOpPrompt'), {}, 'cpu')


def check(clip, vocabulary, learner, options, device):
    torch._dynamo.reset()
    backbone = PromptedCLIP(build_clip(clip), vocabulary, learner).to(device)
    image = torch.randn(2, 16, device=device)
    runner, hook = runner_of(backbone), CompileHook(**options)
    engine = backbone.clip.text_tower.engine
    alone = step(backbone.train(), image)
    with torch.no_grad():
        tested = backbone.eval().text_features(image)
    hook.before_run(runner)
    assert 'run' in vars(engine)
    for _ in range(3):  # CUDA graphs are recorded in the second call
        found = step(backbone.train(), image)
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(backbone.eval().text_features(image),
                                   tested, rtol=1e-4, atol=1e-4)
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] > 0
    hook.after_run(runner)
    assert 'run' not in vars(engine)
    backbone.cpu()  # other tests share the CLIP


def test_where_it_cannot(clip_configs, vocabulary, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    backbone = PromptedCLIP(clip_configs['not_causal'], vocabulary)
    with pytest.raises(DeptError, match='text engine'):
        CompileHook().before_run(runner_of(backbone))
    with pytest.raises(DeptError, match='needs a GPU'):
        CompileHook(cuda_graphs=True).before_run(runner_of(backbone))
