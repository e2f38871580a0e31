"""Prompt modules on CLIP, against plain forwards of all positions that are
written out here."""
import pytest
import torch
from torch.nn import functional as F

from dept_mm.models import PromptedCLIP
from dept_mm.structures import Vocabulary

DECOMPOSED = dict(type='DecomposedPrompt', rank=3)
ADEPT = dict(type='ADePTPrompt', rank=3)
LATE = dict(type='LatePrompt', num_tokens=3)
POOLED = dict(LATE, generator='mppg', bottleneck=8)
LONG = ' '.join(['photo'] * 68)


def build(clip, names, **towers):
    """Modules away from their start, where offsets are zero."""
    if isinstance(names, tuple):
        names = Vocabulary(names)
    backbone = PromptedCLIP(clip, names, dict(type='TowerPrompts', **towers))
    for p in backbone.parameters():
        p.data.add_(torch.randn_like(p), alpha=.3)
    return backbone


def moved(module, x):
    """The papers' formulas."""
    if hasattr(module, 'offset_a'):
        delta = 8 / 3**.5 * module.offset_a @ module.offset_b
        return x + F.pad(delta, (0, 0, 0, x.shape[1] - len(delta)))
    if hasattr(module, 'offset_down'):
        (w1, b1), (w2, b2) = (tuple(layer.parameters()) for layer in (
            module.offset_down, module.offset_up))
        return x + (x @ w1.T + b1).clamp(min=0) @ w2.T + b2
    return x


def made(module, hidden, anchor, own):
    """Late tokens of one input, ``hidden (L, W)``."""
    if module.late_tokens is not None:
        return module.late_tokens
    hidden = F.layer_norm(hidden, hidden.shape[-1:])
    if module.generator == 'npg':
        x = module.late_down(hidden[anchor]).relu()
        return module.late_up(x).view(module.num_tokens, -1)
    pool = dict(appg=F.adaptive_avg_pool1d, mppg=F.adaptive_max_pool1d)
    x = module.late_down(hidden[own]).T[None]
    return module.late_up(
        pool[module.generator](x, module.num_tokens)[0].T.relu())


def plain_text(backbone, names, template='{}.', shift=0):
    """Each class alone, all 77 positions, late tokens beyond them."""
    clip, modules = backbone.clip, backbone.prompt.text
    text, found = clip.model.text, []
    for name in names:
        ids = clip.tokenizer([template.format(name.replace('_', ' '))])
        end = int(ids.argmax())
        x = moved(modules.input, text.token_embedding(ids))[0]
        if modules.num_tokens:
            tokens = modules.input.soft.prompt_tokens
            x = torch.cat([x[:1], tokens, x[1:77 - len(tokens)]])
            end += len(tokens)
        x = x + text.positional_embedding
        for i, block in enumerate(text.transformer.resblocks):
            for late in modules.late:
                if late.layer == i:
                    tokens = made(late, x, end, slice(end + 1))
                    x = torch.cat([x[:1], tokens, x[1:]])
                    end += len(tokens)
            mask = torch.full((len(x), len(x)), float('-inf')).triu(1)
            x = block(x[None], attn_mask=mask)[0]
        found.append(text.ln_final(x)[end + shift] @ text.text_projection)
    return torch.stack(found)


def plain_images(backbone, images):
    """Late tokens behind the class token instead of at the end."""
    v, modules = backbone.clip.model.visual, backbone.prompt.image
    x = v.conv1(images).flatten(2).mT
    x = torch.cat([v.class_embedding.expand(len(x), 1, -1), x], 1)
    x = moved(modules.input, x) + v.positional_embedding
    if modules.num_tokens:
        x = torch.cat([x, modules.input.soft.prompt_tokens.expand(
            len(x), -1, -1)], 1)
    x = v.ln_pre(x)
    for i, block in enumerate(v.transformer.resblocks):
        for late in modules.late:
            if late.layer == i:
                tokens = torch.stack([made(late, row, 0, slice(1, 5))
                                      for row in x])
                x = torch.cat([x[:, :1], tokens, x[:, 1:]], 1)
        x = block(x)
    return v.ln_post(x)[:, 0] @ v.proj


def same(backbone, found, expected):
    """Values and gradients."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    learned = [p for p in backbone.parameters() if p.requires_grad]
    weight = torch.randn_like(found)
    for ours, theirs in zip(*(torch.autograd.grad(
            (x * weight).sum(), learned) for x in (found, expected)),
            strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(ours / scale, theirs / scale,
                                   rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('modules', [
    [DECOMPOSED], [ADEPT], [dict(ADEPT, num_tokens=0)],
    [dict(DECOMPOSED, num_tokens=0), LATE], [LATE], [POOLED],
    [dict(LATE, generator='appg')], [dict(LATE, generator='none')],
    [dict(LATE, generator='none', layer=0)], [ADEPT, LATE],
    [dict(LATE, generator='none', layer=0, num_tokens=2), POOLED]])
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
    [DECOMPOSED], [ADEPT], [dict(DECOMPOSED, num_tokens=0)], [LATE], [POOLED],
    [dict(LATE, generator='appg')], [dict(LATE, generator='none')],
    [ADEPT, POOLED]])
def test_images(clip, vocabulary, images, modules):
    backbone = build(clip, vocabulary, image=modules)
    same(backbone, backbone(images).image, plain_images(backbone, images))
    zero_shot = PromptedCLIP(clip, vocabulary).train()
    assert torch.equal(backbone(images).text, zero_shot(images).text)


def test_late_tokens_may_exceed_the_context(clip, images):
    backbone = build(clip, ('cat', LONG), text=[dict(LATE, num_tokens=9)])
    same(backbone, backbone(images).text,
         plain_text(backbone, ('cat', LONG), 'a photo of a {}.'))
