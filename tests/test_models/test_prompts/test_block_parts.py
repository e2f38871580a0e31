"""Learners that add to the blocks of the towers."""
import copy

import pytest
import torch

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import build_clip
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.models.prompts.clip_lora import LowRank
from dept_mm.models.utils.kept import keeping_nothing

LORA = dict(type='CLIPLoRA', dropout=.5)
LEARNERS = ('CLIPLoRA', 'MultiModalAdapter')


def shaken(backbone):
    for parameter in backbone.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=.1)
    return backbone


def test_dropout_differs_between_classes(clip, vocabulary):
    """Words that all sentences begin with are no longer run once; without
    it, or in evaluation, they are."""
    backbone = shaken(PromptedCLIP(clip, vocabulary, LORA)).train()

    def shared():
        return backbone.texts.prompts((0, 1), None)[1].prefix_shared

    assert not shared()
    assert backbone.eval() and shared()
    plain = PromptedCLIP(clip, vocabulary, dict(LORA, dropout=0.)).train()
    assert plain.texts.prompts((0, 1), None)[1].prefix_shared


def test_dropout_is_that_of_the_layer_alone(clip, vocabulary, images,
                                            monkeypatch):
    """The mean over many draws is what evaluation computes."""
    layer = LowRank(8, 2, scale=.5, dropout=.5)
    torch.nn.init.normal_(layer.up)
    x = torch.randn(1, 8).expand(20_000, 8)
    expected = .5 * x[0] @ layer.down.T @ layer.up.T
    torch.testing.assert_close(layer.eval()(x)[0], expected)
    mean = layer.train()(x).mean(0)
    torch.testing.assert_close(mean, expected, rtol=0, atol=.1)
    # Not even in the plain way do two steps agree.
    monkeypatch.setattr(TextTower, '__call__', TextTower.plain)
    backbone = shaken(PromptedCLIP(clip, vocabulary, LORA)).train()
    first, second = (backbone(images).text for _ in range(2))
    assert not torch.allclose(first, second)


def test_an_adapter_learns_at_its_own_scale(clip, vocabulary, images):
    """The scale multiplies what is added, but no gradient of the maps."""
    grads = []
    for scale in (1e-6, 2e-6):
        torch.manual_seed(0)
        backbone = PromptedCLIP(clip, vocabulary, dict(
            type='MultiModalAdapter', first_block=2, scale=scale)).double()
        with keeping_nothing():
            backbone(images.double()).image.sum().backward()
        up, = (m.up.weight.grad for m in backbone.prompt.image.values())
        grads.append(up)
    torch.testing.assert_close(*grads, rtol=1e-3, atol=0)
    assert grads[0].any()
    backbone.clip.float()


@pytest.mark.parametrize('learner', LEARNERS)
def test_towers_that_have_no_place(clip_configs, clip, vocabulary, learner):
    def build(clip, **options):
        return PromptedCLIP(clip, vocabulary, dict(type=learner, **options))

    for kind in ('resnet', 'timm'):
        with pytest.raises(DeptError, match='has no tokens'):
            build(clip_configs[kind], first_block=1)
    for first in (0, 3):
        with pytest.raises(DeptError, match=f'first_block is {first}.*2 bl'):
            build(clip, first_block=first)
    quantised = copy.deepcopy(build_clip(clip).model)
    block = quantised.visual.transformer.resblocks[0]
    weight = block.attn.in_proj_weight
    block.attn.in_proj_weight = torch.nn.Parameter(
        weight.to(torch.int8), requires_grad=False)
    own = build_clip(clip)
    other = type(own)(quantised, own.tokenizer, own.spec, 'int8')
    with pytest.raises(DeptError, match="'int8'.*quantised"):
        build(other, first_block=1)


@pytest.mark.parametrize('options, culprit', [
    (dict(places=['mlp']), "places=.*'query'"), (dict(places=[]), 'places'),
    (dict(towers=['audio']), "towers=.*'text'"), (dict(rank=0), 'rank is 0'),
    (dict(rank=33), 'rank is 33.*32 wide'), (dict(dropout=2.), 'dropout')])
def test_bad_options_of_lora(clip, vocabulary, options, culprit):
    with pytest.raises(DeptError, match=culprit):
        PromptedCLIP(clip, vocabulary, dict(type='CLIPLoRA', **options))


def test_one_tower_alone(clip, vocabulary, images):
    """The other is that of zero-shot CLIP."""
    zero_shot = PromptedCLIP(clip, vocabulary).eval()(images)
    for tower in ('text', 'image'):
        feats = shaken(PromptedCLIP(clip, vocabulary, dict(
            LORA, towers=[tower]))).eval()(images)
        for name in ('text', 'image'):
            equal = torch.allclose(getattr(feats, name),
                                   getattr(zero_shot, name), atol=1e-6)
            assert equal == (name != tower)
