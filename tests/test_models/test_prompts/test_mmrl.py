"""MMRL: a second feature of the image, for base classes alone."""
import pytest
import torch
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.structures import Vocabulary

MMRL = dict(type='MMRLPrompt', first_block=2, token_width=8, num_tokens=3)


def test_fusion_by_hand(clip, vocabulary, images):
    """Base columns mix both similarities; new ones keep the first, whatever
    classes stand beside them and in whatever order."""
    backbone = PromptedCLIP(clip, vocabulary, MMRL).eval()
    names = [*vocabulary.names[3:], *vocabulary.names[1::-1]]
    for scored in (vocabulary, Vocabulary(names)):
        backbone.set_vocabulary(scored)
        with torch.no_grad():
            feats = backbone(images)
            found = CLIPHead()(feats)
            tower, states = backbone.clip.image_tower, []
            tower(images, backbone.prompt.for_image(), states)
            tokens = tower.visual.ln_post(states[0][:, 1:]).mean(1)
            second = tokens @ backbone.prompt.projection.weight
            s, other = (feats.logit_scale * F.normalize(x, dim=-1)
                        @ F.normalize(feats.text, dim=-1).T
                        for x in (feats.image, second))
        base = torch.tensor([n in vocabulary.base for n in scored.ids])
        torch.testing.assert_close(
            found, torch.where(base, .7 * s + .3 * other, s))
        assert base.any() and not base.all()


def test_the_second_projection_may_start_from_that_of_clip(clip, vocabulary):
    backbone = PromptedCLIP(clip, vocabulary, dict(
        MMRL, copy_projection=True))
    projection = backbone.prompt.projection.weight
    assert torch.equal(projection, backbone.clip.model.visual.proj)
    drawn = PromptedCLIP(clip, vocabulary, MMRL).prompt.projection.weight
    assert not torch.equal(projection, drawn)


def test_plus_plus_starts_as_one_map(clip, vocabulary):
    """Blocks differ by what is zero at first, in tokens and projection."""
    prompt = PromptedCLIP(clip, vocabulary, dict(
        MMRL, first_block=1, rank=2, projection_rank=2, blend=.9)).prompt
    first, second = (prompt.to_image(prompt.tokens, i) for i in (0, 1))
    assert torch.equal(first, second) and first.any()
    assert callable(prompt.for_image().deep[1])


def test_the_loss_needs_the_second_feature(clip, vocabulary, images, samples):
    feats = PromptedCLIP(clip, vocabulary, dict(type='CoOpPrompt'))(images)
    head = CLIPHead(losses=[dict(type='TokenFeatureLoss')])
    with pytest.raises(DeptError, match='MMRLPrompt'):
        head.loss(feats, samples)
