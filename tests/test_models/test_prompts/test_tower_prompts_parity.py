"""Prompt modules on CLIP, against plain forwards of all positions."""

import pytest
import torch
from plain_clip import build, plain_images, plain_text

from dept_mm.models import PromptedCLIP

DECOMPOSED = dict(type='DecomposedPrompt', rank=3)
ADEPT = dict(type='ADePTPrompt', rank=3)
LATE = dict(type='LatePrompt', num_tokens=3)
BEFORE = dict(LATE, placement='before_sos', layer=2)
POOLED = dict(LATE, generator='mppg', bottleneck=8)
LONG = ' '.join(['photo'] * 68)


def same(backbone, found, expected, rtol=1e-4, atol=1e-5):
    """Values and gradients."""
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)
    learned = [p for p in backbone.parameters() if p.requires_grad]
    weight = torch.randn_like(found)
    for ours, theirs in zip(*(torch.autograd.grad(
            (x * weight).sum(), learned) for x in (found, expected)),
            strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(ours / scale, theirs / scale,
                                   rtol=10 * rtol, atol=10 * atol)


@pytest.mark.parametrize('modules', [
    [DECOMPOSED], [ADEPT], [dict(ADEPT, num_tokens=0)],
    [dict(DECOMPOSED, num_tokens=0), LATE], [LATE], [POOLED],
    [dict(LATE, generator='appg')], [dict(LATE, generator='none')],
    [dict(LATE, generator='none', layer=0)], [ADEPT, LATE],
    [dict(LATE, generator='none', layer=0, num_tokens=2), POOLED],
    [dict(DECOMPOSED, scope='name'), LATE], [dict(ADEPT, scope='name')],
    [dict(ADEPT, scope='no_special')],
    [dict(ADEPT, num_tokens=0, scope='name')]])
def test_texts(clip, vocabulary, images, modules):
    backbone = build(clip, vocabulary, text=modules)
    template = '{}.' if backbone.prompt.num_context else 'a photo of a {}.'
    for _ in range(2):  # hidden states are kept after the first
        same(backbone, backbone(images).text,
             plain_text(backbone, vocabulary.base, template))
    expected = plain_text(backbone, vocabulary.names, template)
    torch.testing.assert_close(backbone.eval()(images).text, expected,
                               rtol=1e-4, atol=1e-5)
    wrong = plain_text(backbone, vocabulary.names, template, shift=-1)
    assert not torch.allclose(wrong, expected, atol=1e-2)


@pytest.mark.parametrize('modules', [
    [BEFORE], [dict(BEFORE, generator='none')], [ADEPT, BEFORE],
    [dict(BEFORE, generator='mppg'), dict(LATE, layer=1)],
    [dict(BEFORE, layer=1), dict(LATE, generator='appg', layer=2)],
    [BEFORE, dict(BEFORE, generator='none', layer=0, num_tokens=2)]])
def test_before_the_start_token(deep, vocabulary, images, modules):
    backbone = build(deep, vocabulary, text=modules).double()
    template = '{}.' if backbone.prompt.num_context else 'a photo of a {}.'
    for _ in range(2):
        same(backbone, backbone(images.double()).text,
             plain_text(backbone, vocabulary.base, template), 1e-12, 1e-12)


@pytest.mark.parametrize('modules', [
    [DECOMPOSED], [ADEPT], [dict(DECOMPOSED, num_tokens=0)], [LATE], [POOLED],
    [dict(LATE, generator='appg')], [dict(LATE, generator='none')],
    [ADEPT, POOLED]])
def test_images(clip, vocabulary, images, modules):
    backbone = build(clip, vocabulary, image=modules)
    same(backbone, backbone(images).image, plain_images(backbone, images))
    zero_shot = PromptedCLIP(clip, vocabulary).train()
    assert torch.equal(backbone(images).text, zero_shot(images).text)


@pytest.mark.parametrize('module', [DECOMPOSED, ADEPT])
def test_what_is_in_one_name_and_behind_another(double, images, module):
    """A token that all sentences share at one place is moved in one of
    them."""
    names = ('st', 'st. bernard')
    backbone = build(double, names, text=[
        dict(module, scope='name', num_tokens=0)]).double()
    tokens = backbone.texts.prompts((0, 1), None)[0]
    assert torch.equal(*tokens.ids[:, :7])  # start, 'a photo of a st.'
    found = backbone(images.double()).text
    torch.testing.assert_close(
        found, plain_text(backbone, names, 'a photo of a {}.'),
        rtol=1e-12, atol=1e-12)


def test_late_tokens_may_exceed_the_context(clip, images):
    backbone = build(clip, ('cat', LONG), text=[dict(LATE, num_tokens=9)])
    same(backbone, backbone(images).text,
         plain_text(backbone, ('cat', LONG), 'a photo of a {}.'))
