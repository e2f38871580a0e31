"""Loss terms of hosts."""
import pytest
import torch
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import (
    CLIPHead,
    DePTHead,
    LocalEntropyLoss,
    PromptedCLIP,
)

TERMS = ['TextConsistencyLoss', 'SelfConsistencyLoss']
TEMPLATES = ['a photo of a {}.', 'the {}.']


@pytest.fixture
def backbone(clip, learner, vocabulary):
    return PromptedCLIP(clip, vocabulary, learner, teacher=dict(
        templates=TEMPLATES, image=True)).train()


@pytest.mark.parametrize('head', ['CLIPHead', 'DePTHead'])
@pytest.mark.parametrize('term', TERMS)
def test_terms_are_added_unweighted_by_lambda(backbone, vocabulary, images,
                                              samples, head, term):
    make = dict(CLIPHead=CLIPHead, DePTHead=lambda **kw: DePTHead(
        vocabulary, in_channels=16, loss_weight=1., **kw))[head]
    feats = backbone(images)
    losses = make(losses=[dict(type=term), dict(type=term)]).loss(
        feats, samples)
    torch.testing.assert_close(losses['loss_term0'], losses['loss_term1'])
    assert losses['loss_term0'] > 0
    losses['loss_term0'].backward()
    grads = [p.grad for p in backbone.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)
    assert any(grad.any() for grad in grads)


def test_balance_of_the_host(backbone, vocabulary, images, samples):
    """`term_weight` scales terms as DePT scales the similarity loss."""
    losses, feats = [dict(type=TERMS[1])], backbone(images)
    host = CLIPHead(losses=losses).loss(feats, samples)
    dept = DePTHead(vocabulary, in_channels=16, losses=losses,
                    term_weight=.3).loss(feats, samples)
    torch.testing.assert_close(dept['loss_term0'] / dept['loss_itm'],
                               host['loss_term0'] / host['loss'])


def test_text_term_by_hand(backbone, images, samples):
    feats = backbone(images)
    head = CLIPHead(losses=[dict(type='TextConsistencyLoss', loss_weight=3.)])
    cosine = F.cosine_similarity(
        feats.text.reshape(-1, 3, 16), feats.teacher.text, dim=-1)
    torch.testing.assert_close(head.loss(feats, samples)['loss_term0'],
                               3 * (1 - cosine.mean()))


def test_terms_need_a_teacher(clip, vocabulary, images, samples):
    coop = dict(type='CoOpPrompt')
    for term, teacher, message in (
            (TERMS[0], None, 'teacher=dict'),
            (TERMS[1], None, 'teacher=dict'),
            (TERMS[1], dict(), 'image=True')):
        feats = PromptedCLIP(clip, vocabulary, coop,
                             teacher=teacher).train()(images)
        with pytest.raises(DeptError, match=message):
            CLIPHead(losses=[dict(type=term)]).loss(feats, samples)


@pytest.mark.parametrize('head', ['CLIPHead', 'DePTHead'])
@pytest.mark.parametrize('learner', [
    dict(type='CoOpPrompt'), dict(type='CoCoOpPrompt'),
    dict(type='IVLPPrompt', num_text_tokens=0, image_depth=2)])
def test_patches_without_the_class_are_undecided(
        clip, vocabulary, images, samples, learner, head):
    """A step against the gradient raises the entropy of such patches, with
    any learner and head."""
    backbone = PromptedCLIP(clip, vocabulary, learner, local=True).train()
    make = dict(CLIPHead=CLIPHead, DePTHead=lambda **kw: DePTHead(
        vocabulary, in_channels=16, **kw))[head]
    head = make(losses=[dict(type='LocalEntropyLoss', top_k=1)])
    feats = backbone(images)
    assert feats.extra['local'].shape[::2] == (4, feats.image.shape[1])
    loss = head.loss(feats, samples)['loss_term0']
    assert loss < 0
    loss.backward()
    with torch.no_grad():
        for p in backbone.parameters():
            if p.grad is not None:
                p -= 1e-4 * p.grad / p.grad.norm().clamp(min=1e-6)
    assert head.loss(backbone(images), samples)['loss_term0'] < loss


def test_no_such_patch(clip, vocabulary, images):
    """All patches are alike, and their likeliest class is that of the image.
    """
    backbone = PromptedCLIP(clip, vocabulary, dict(type='CoOpPrompt'),
                            local=True).train()
    feats = backbone(images)
    feats = feats._replace(extra=dict(
        local=feats.text[1].detach().expand(4, 7, -1)))
    loss = LocalEntropyLoss(.4)(feats, None, torch.ones(4).long())
    assert loss == 0 and loss.requires_grad


def test_what_the_local_term_needs(clip, vocabulary, images, samples):
    feats = PromptedCLIP(clip, vocabulary, local=True).train()(images)
    target = torch.zeros(4).long()
    for term, given, message in (
            ({}, feats._replace(extra=None), 'backbone local=True'),
            (dict(top_k=3), feats, 'top_k=3 of 3 classes leaves no patch')):
        with pytest.raises(DeptError, match=message):
            LocalEntropyLoss(**term)(given, None, target)
    with pytest.raises(DeptError, match='top_k is 0'):
        LocalEntropyLoss(0)
