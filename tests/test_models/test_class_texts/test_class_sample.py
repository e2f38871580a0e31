"""Classes of a training step."""
import pytest
import torch
from mmpretrain.structures import DataSample
from small_models import LEARNERS
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import CLIPHead, DePTHead, PromptedCLIP
from dept_mm.models.class_texts import ClassSample
from dept_mm.models.clip import build_clip
from dept_mm.structures import Vocabulary

NAMES = [f'class {"long " * (i % 3)}{i}' for i in range(20)]


@pytest.fixture
def vocabulary():
    """All but the first two classes are base classes, in reverse."""
    return Vocabulary(NAMES, NAMES[:1:-1])


def sampled(backbone, labels, **options):
    """The backbone with a sample for a batch of these labels."""
    backbone.texts.sample = ClassSample(**options)
    backbone.texts.sample.targets = torch.tensor(labels)
    return backbone.train()


def test_which_classes_are_kept(clip, vocabulary, images):
    """Those of the batch, and those most like its images."""
    frozen, sample = build_clip(clip), ClassSample(share=.3, scale=1e-3)
    sample.targets = torch.tensor([5, 11, 5, 11])
    image = frozen.encode_image(images)
    found = sample(frozen, vocabulary, image)
    text = PromptedCLIP(frozen, vocabulary).eval()(images).text
    score = (F.normalize(image, dim=1) @ F.normalize(text, dim=1).T).amax(0)
    score[[0, 1]] = -2  # new classes
    score[[5, 11]] = 2
    # 0.3 of 18 classes, and the first of the others, whose chance is 1.
    assert set(found) == set(score.topk(7).indices.tolist())
    assert found == sorted(found, reverse=True)


def test_how_many(vocabulary):
    """The share, at most so many, and others ever more seldom."""
    ranks = torch.stack([ClassSample(.2, 30, .3, seed).draw_ranks(100)
                         for seed in range(400)]).double().mean(0)
    chance = torch.exp(-torch.linspace(0, 5, 80, dtype=torch.double) / .3)
    assert bool((ranks[:20] == 1).all())
    assert float((ranks[20:] - chance).abs().max()) < .1
    assert ClassSample(.5, 3, 1e-3).draw_ranks(100).sum() == 4
    assert bool(ClassSample(1.).draw_ranks(5).all())
    again = ClassSample(.5, 30, seed=4).draw_ranks(100)
    assert torch.equal(again, ClassSample(.5, 30, seed=4).draw_ranks(100))


def test_classes_of_the_batch_are_never_left_out(clip, vocabulary, images):
    """Even where there are more of them than are kept."""
    frozen, sample = build_clip(clip), ClassSample(most=1, scale=1e-3)
    sample.targets = torch.tensor([2, 3, 4, 5])
    found = sample(frozen, vocabulary, frozen.encode_image(images))
    assert found == [5, 4, 3, 2]


@pytest.mark.parametrize('name', ['none', *LEARNERS])
def test_a_sample_is_a_part_of_all(name, clip, vocabulary, images):
    """Texts, gradients and teacher's texts are those of the step without,
    where something learned enters the tower and below."""
    backbone = sampled(PromptedCLIP(
        clip, vocabulary, LEARNERS.get(name), teacher=dict()), [4, 9, 4, 9])
    some = backbone(images)
    backbone.texts.sample = None
    whole = backbone(images)
    assert 8 < len(some.labels) < 18
    columns = [whole.labels.tolist().index(i) for i in some.labels.tolist()]
    torch.testing.assert_close(some.text, whole.text[..., columns, :])
    torch.testing.assert_close(some.teacher.text, whole.teacher.text[columns])
    parameters = list(backbone.parameters())
    if not parameters:
        return
    mine, theirs = (torch.autograd.grad(
        text.cos().sum(), parameters, allow_unused=True)
        for text in (some.text, whole.text[..., columns, :]))
    for a, b in zip(mine, theirs, strict=True):
        if b is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('head', [CLIPHead, DePTHead])
def test_heads_find_their_targets(head, clip, vocabulary, images):
    backbone = sampled(PromptedCLIP(clip, vocabulary, dict(
        type='CoOpPrompt')), [4, 9, 4, 9])
    feats = backbone(images)
    head = head() if head is CLIPHead else head(vocabulary, in_channels=16)
    losses = head.loss(feats, [DataSample().set_gt_label(y)
                               for y in (4, 9, 4, 9)])
    loss = losses['loss' if 'loss' in losses else 'loss_itm']
    columns = [feats.labels.tolist().index(y) for y in (4, 9, 4, 9)]
    expected = F.cross_entropy(CLIPHead()(feats), torch.tensor(columns))
    torch.testing.assert_close(
        loss, expected if 'loss' in losses else .3 * expected)


def test_evaluation_scores_all(clip, vocabulary, images):
    backbone = sampled(PromptedCLIP(clip, vocabulary), [4])
    assert len(backbone.eval()(images).labels) == 20


def test_a_step_leaves_nothing_behind(clip, vocabulary, images):
    """Each step has other classes; what is known of each would pile up."""
    backbone = sampled(PromptedCLIP(clip, vocabulary, LEARNERS['TCPPrompt']),
                       [4])
    for label in range(2, 12):
        backbone.texts.sample.targets = torch.tensor([label])
        backbone(images[:1])
    texts = backbone.texts
    assert not texts._subsets
    assert len(texts._frozen_text._kept._value) == 1


@pytest.mark.parametrize('options', [
    dict(share=0), dict(share=1.5), dict(most=0), dict(scale=0)])
def test_wrong_options(options):
    with pytest.raises(DeptError, match='must be positive'):
        ClassSample(**options)
