"""What learns from which of the dual head's losses."""
import pytest
import torch
from torch.nn import functional as F

from dept_mm.models import CLIPHead, DePTHead
from dept_mm.structures import CLIPFeatures

WIDTH, LABELS = 16, torch.tensor([2, 0, 1, 2])


@pytest.fixture
def feats(vocabulary):
    """Leaves for four images and three classes, one of which occurs twice."""
    text, image = (torch.randn(n, WIDTH, requires_grad=True) for n in (3, 4))
    return CLIPFeatures(text, torch.arange(3), vocabulary.ids,
                        torch.tensor(100.), None, None, None, image)


def head_of(vocabulary, weight):
    head = DePTHead(vocabulary, in_channels=WIDTH, loss_weight=weight)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, .5)
    return head


def gradients(losses, *leaves):
    return torch.autograd.grad(sum(losses.values()), leaves)


def test_weight_zero_leaves_the_second_head_alone(feats, vocabulary, samples):
    head = head_of(vocabulary, 0.)
    assert not any(g.any() for g in gradients(
        head.loss(feats, samples), *head.parameters()))
    ours, theirs = (gradients(h.loss(feats, samples), feats.text, feats.image)
                    for h in (head, CLIPHead()))
    assert all(map(torch.equal, ours, theirs))


def test_weight_one_leaves_similarity_alone(feats, vocabulary, samples):
    """Gradients are those of a loop over samples; a class that occurs twice
    gets both."""
    head = head_of(vocabulary, 1.)
    given = feats.text, feats.image, *head.parameters()
    found = gradients(head.loss(feats, samples), *given)
    loss = 0
    for i, y in enumerate(LABELS):
        for x, g in ((feats.text[y], head.text_transform),
                     (feats.image[i], head.image_transform)):
            logits = head.linear.weight @ (g.scale * x + g.bias)
            loss = loss + F.cross_entropy(logits + head.linear.bias, y) / 8
    for ours, theirs in zip(found, torch.autograd.grad(loss, given),
                            strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert found[0].any(1).all()


@pytest.mark.parametrize('weight', [0., .7, 1.])
def test_one_text_for_all_images_or_one_for_each(feats, vocabulary, samples,
                                                 weight):
    head = head_of(vocabulary, weight)
    given = feats.text, feats.image, *head.parameters()
    each = feats._replace(text=feats.text.expand(4, -1, -1))
    one, many = head.loss(feats, samples), head.loss(each, samples)
    torch.testing.assert_close(one, many)
    torch.testing.assert_close(gradients(one, *given),
                               gradients(many, *given), rtol=1e-4, atol=1e-5)
