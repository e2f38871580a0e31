"""Late prompts of the text tower that depend on the image."""

import pytest
import torch
from mmpretrain.structures import DataSample
from plain_clip import build, plain_text
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import CLIPHead, DePTHead, PromptedCLIP
from dept_mm.models.clip.text_engine import TextEngine
from dept_mm.models.prompts import LatePrompt

SELF = dict(type='LatePrompt', num_tokens=3)
LATE = dict(SELF, condition='image')
FREE = dict(LATE, generator='none')
ADEPT = dict(type='ADePTPrompt', rank=3)
EXACT = dict(rtol=1e-12, atol=1e-12)


def plain(backbone, names, image):
    """Each image and each class alone."""
    template = '{}.' if backbone.prompt.num_context else 'a photo of a {}.'
    return torch.stack([plain_text(backbone, names, template, image=row)
                        for row in image])


def gradients(text, backbone):
    weight = torch.randn(text.shape, generator=torch.manual_seed(1))
    learned = list(backbone.parameters())
    return torch.autograd.grad((text * weight.to(text)).sum(), learned)


@pytest.mark.parametrize('modules, chunk', [
    ([LATE], None), ([LATE], 2), ([FREE], None), ([ADEPT, LATE], 2),
    ([dict(LATE, generator='appg')], None), ([dict(FREE, layer=0)], None),
    ([dict(LATE, placement='before_sos')], None),
    ([dict(FREE, placement='before_sos')], 2),
    ([dict(SELF, layer=1), LATE], None), ([dict(LATE, layer=1), SELF], None),
    ([dict(LATE, layer=1), dict(LATE, layer=3)], None)])
def test_values_and_gradients(deep, vocabulary, images, modules, chunk):
    backbone = build(deep, vocabulary, text=modules).double()
    backbone.texts.chunk = chunk
    for count in (2, 1):  # what is kept serves other images, too
        feats = backbone(images[:count].double())
        expected = plain(backbone, vocabulary.base, feats.image)
        assert feats.text.shape == (count, 3, 16)
        torch.testing.assert_close(feats.text, expected, **EXACT)
        for ours, theirs in zip(*(gradients(text, backbone) for text in (
                feats.text, expected)), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    with torch.no_grad():
        feats = backbone.eval()(images[:2].double())
        expected = plain(backbone, vocabulary.names, feats.image)
        torch.testing.assert_close(feats.text, expected, **EXACT)
        tower = backbone.clip.text_tower
        given = backbone.texts.prompts(tuple(range(5)), feats.image)
        torch.testing.assert_close(
            tower.plain(*given, backbone.prompt.position), expected, **EXACT)


def test_one_class(deep, images):
    backbone = build(deep, ('owl', ), text=[LATE]).double()
    feats = backbone(images.double())
    torch.testing.assert_close(
        feats.text, plain(backbone, ['owl'], feats.image), **EXACT)


def test_both_heads(deep, vocabulary, images, samples):
    """Logits and losses are those of a loop over images."""
    backbone = build(deep, vocabulary, text=[LATE]).double()
    feats = backbone(images.double())
    text = plain(backbone, vocabulary.base, feats.image)
    s = feats.logit_scale * F.cosine_similarity(
        feats.image[:, None], text, dim=2).float()
    y = torch.cat([sample.gt_label for sample in samples])
    expected = F.cross_entropy(s, y)
    torch.testing.assert_close(CLIPHead()(feats), s)
    torch.testing.assert_close(CLIPHead().loss(feats, samples)['loss'],
                               expected)
    head = DePTHead(vocabulary, in_channels=16).double()
    rows = torch.cat([text[torch.arange(4), y], feats.image])
    second = F.cross_entropy(head.linear(rows).float(), torch.cat([y, y]))
    found = head.loss(feats, samples)
    torch.testing.assert_close(found['loss_itm'], .3 * expected)
    torch.testing.assert_close(found['loss_cat'], .7 * second)
    scores = head.predict(backbone.eval()(images.double()),
                          [DataSample() for _ in images])
    assert [len(sample.pred_score) for sample in scores] == [5] * 4


def test_blocks_below_are_shared_and_kept(deep, vocabulary, images,
                                          monkeypatch):
    seen, starts = [], []
    generate, assemble = LatePrompt.generate, TextEngine.assemble
    monkeypatch.setattr(LatePrompt, 'generate', lambda self, hidden, *args: (
        seen.append(hidden), generate(self, hidden, *args))[1])
    monkeypatch.setattr(TextEngine, 'assemble', lambda *args: (
        starts.append(1), assemble(*args))[1])
    backbone = build(deep, vocabulary, text=[LATE]).double()
    starts.clear()
    for _ in range(2):
        backbone(images.double()).text.sum().backward()
    assert len(starts) == 1 and [len(hidden) for hidden in seen] == [3, 3]
    assert not any(hidden.requires_grad for hidden in seen)
    assert all(p.grad.any() for p in backbone.parameters())


def test_the_image_is_nothing_at_the_start(clip, vocabulary, images):
    of_image, own = (PromptedCLIP(clip, vocabulary, dict(
        type='TowerPrompts', text=[module])).eval() for module in (
            LATE, SELF))
    own.load_state_dict({**own.state_dict(), **{
        k: v for k, v in of_image.state_dict().items()
        if 'late_up' in k or 'late_down' in k}})
    text = of_image(images).text
    torch.testing.assert_close(text, own(images).text.expand(4, -1, -1))


@pytest.mark.parametrize('tower, module, culprit', [
    ('image', LATE, "condition='image' is for a tower"),
    ('text', dict(SELF, condition='both'), "condition 'both' is neither")])
def test_bad_options(clip, vocabulary, tower, module, culprit):
    with pytest.raises(DeptError, match=culprit):
        build(clip, vocabulary, **{tower: [module]})
