"""Late prompts on CLIP: who sees them, what learns, and what is kept."""

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from plain_clip import build, plain_text

from dept_mm.errors import DeptError
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import build_clip
from dept_mm.models.clip.text_engine import TextEngine
from dept_mm.models.prompts import (
    LatePrompt,
    tower_modules,
)
from dept_mm.structures import Vocabulary

ADEPT = dict(type='ADePTPrompt', rank=3)
LATE = dict(type='LatePrompt', num_tokens=3)
EXACT = dict(rtol=1e-12, atol=1e-12)


def hide(tower, slots):
    """Take tokens out of what the last block's queries see."""
    def hook(block, args, kwargs):
        mask = kwargs.get('attn_mask')
        if mask is None:
            mask = torch.zeros(args[0].shape[1:2] * 2).to(args[0])
        mask = mask.clone()
        mask[:, slots] = torch.finfo(mask.dtype).min
        return args, dict(kwargs, attn_mask=mask)

    return tower.transformer.resblocks[1].register_forward_pre_hook(
        hook, with_kwargs=True)


def test_hidden_late_tokens_are_none(double, vocabulary, images):
    """Which do nothing but be seen."""
    plain = PromptedCLIP(double, vocabulary).eval()(images.double())
    backbone = build(double, vocabulary, text=[LATE], image=[LATE]).double()
    tokens, prompts = backbone.texts.prompts(tuple(range(5)), None)
    hook = hide(double.model.text, slice(1, 4))
    found = double.text_tower.plain(tokens, prompts)
    hook.remove()
    torch.testing.assert_close(found, plain.text, **EXACT)
    hook = hide(double.model.visual, slice(5, 8))
    found = double.image_tower.plain(images.double(),
                                     backbone.prompt.for_image())
    hook.remove()
    torch.testing.assert_close(found, plain.image, **EXACT)


def test_zeros_are_tokens_too(clip, vocabulary, images):
    """They are attended to."""
    free = dict(LATE, generator='none')
    backbone = build(clip, vocabulary, text=[free], image=[free])
    for parameter in backbone.parameters():
        parameter.data.zero_()
    found, plain = backbone(images), PromptedCLIP(clip, vocabulary)(images)
    assert not torch.allclose(found.text, plain.text, atol=1e-3)
    assert not torch.allclose(found.image, plain.image, atol=1e-3)


def test_nothing_is_learned_below_a_late_prompt(clip, vocabulary, images,
                                                monkeypatch):
    """Unless the input is prompted."""
    seen = []
    run = LatePrompt.generate
    monkeypatch.setattr(LatePrompt, 'generate', lambda self, hidden, *args: (
        seen.append(hidden.requires_grad), run(self, hidden, *args))[1])
    build(clip, vocabulary, text=[LATE], image=[LATE])(images)
    assert seen == [False, False]
    both = build(clip, vocabulary, text=[ADEPT, LATE], image=[ADEPT, LATE])
    both(images)
    assert seen[2:] == [True, True]


def test_hidden_states_below_are_kept(clip, vocabulary, images, monkeypatch):
    """As long as they are the same, in training."""
    calls = []
    run = TextEngine.assemble
    monkeypatch.setattr(TextEngine, 'assemble', lambda *args: (
        calls.append(1), run(*args))[1])
    backbone = build(clip, vocabulary, text=[LATE])
    calls.clear()
    first = backbone(images).text
    backbone(images)
    assert len(calls) == 1
    backbone.eval()
    with torch.no_grad():
        backbone(images)
    assert len(calls) == 2
    assert torch.equal(backbone.train()(images).text, first)
    assert len(calls) == 2
    with torch.autocast('cpu', torch.bfloat16):
        backbone(images)
    assert len(calls) == 3
    backbone.set_vocabulary(Vocabulary(('bee', 'ox')))
    backbone(images)
    assert len(calls) == 4
    try:
        assert backbone.double()(images.double()).text.dtype == torch.float64
        assert len(calls) == 5
    finally:
        backbone.float()  # other tests share the CLIP
    mixed = build(clip, vocabulary, text=[ADEPT, LATE])
    calls.clear()
    mixed(images), mixed(images)
    assert len(calls) == 2


@pytest.fixture
def thawed(clip):
    """A CLIP whose weights take gradients, as none of ours."""
    built = build_clip(clip)
    built.model.requires_grad_(True)
    yield built
    built.model.requires_grad_(False)
    built.model.zero_grad()


def test_nothing_flows_below_a_late_prompt(thawed, vocabulary, images):
    """Even if the CLIP were not frozen."""
    backbone = build(thawed, vocabulary, text=[LATE])
    backbone(images).text.square().sum().backward()
    text = thawed.model.text
    below, above = text.transformer.resblocks
    assert all(p.grad is None for p in (
        text.token_embedding.weight, text.positional_embedding,
        *below.parameters()))
    assert all(p.grad is not None for p in above.parameters())
    assert all(p.grad.any() for p in backbone.parameters())


def test_beside_an_input_prompt_nothing_is_saved(clip, vocabulary, images,
                                                 monkeypatch):
    """Which is said, once for each tower."""
    said = []
    monkeypatch.setattr(tower_modules, 'print_log', lambda text, **_:
                        said.append(text))
    build(clip, vocabulary, text=[LATE], image=[ADEPT])
    assert not said
    both = build(clip, vocabulary, text=[ADEPT, LATE], image=[LATE, ADEPT])
    assert [('ADePTPrompt in the' in text, tower in text) for text, tower in
            zip(said, ('text', 'image'), strict=True)] == [(True, True)] * 2
    feats = both(images)
    (feats.text.square().sum() + feats.image.square().sum()).backward()
    assert all(p.grad.any() for p in both.parameters())


@pytest.mark.parametrize('generator', ['none', 'npg'])
def test_before_and_behind_the_start_token(deep, vocabulary, images,
                                           generator):
    """Under a causal mask it matters: in front, they do not see it."""
    images = images.double()
    after, before = (build(deep, vocabulary, text=[
        dict(LATE, generator=generator, placement=placement)]).double()
        for placement in ('after_sos', 'before_sos'))
    for p, q in zip(after.parameters(), before.parameters(), strict=True):
        q.data.copy_(p)
    assert not torch.allclose(after(images).text, before(images).text,
                              atol=1e-3)
    with pytest.raises(DeptError, match=r"'front': \[2\]"):
        load_state_dict(after, before.state_dict())


@pytest.mark.parametrize('words', [1, 58])
def test_what_is_pushed_out_behind_the_end(double, words):
    """With as many slots as the tower has positions, the padding goes: the
    same as long as the end stays inside."""
    names = ('cat', ' '.join(['photo'] * words))
    backbone = build(double, names, text=[dict(LATE, num_tokens=9)]).double()
    # start, 'a photo of a', words, '.', end
    last = 1 + 4 + words + 1 + 9
    assert last <= 76
    found = backbone(torch.zeros(1, 3, 32, 32).double()).text
    for longest in (77, None):
        torch.testing.assert_close(
            found, plain_text(backbone, names, 'a photo of a {}.',
                              longest=longest), **EXACT)
