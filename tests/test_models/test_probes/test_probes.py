"""Every probe that is registered: what all of them must be able to do."""
import pytest
import torch
from mmpretrain.structures import DataSample
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models import CLIPHead, DePTHead
from dept_mm.models.probes import BaseProbe
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary

WIDTH, SHOTS = 16, 6
# What six images of a class need other than a probe's defaults.
OPTIONS = dict(CrossModalProbe=dict(num_steps=300, rates=(.01, )))
PROBES = {name: dict(type=name, **OPTIONS.get(name, {}))
          for name, kind in sorted(MODELS.module_dict.items())
          if isinstance(kind, type) and issubclass(kind, BaseProbe)}


@pytest.fixture
def world(vocabulary):
    """Text features, and a function that draws images of classes."""
    random = torch.Generator().manual_seed(3)
    centres = torch.randn(len(vocabulary), WIDTH, generator=random)
    texts = .5 * (centres + 2 * torch.randn(centres.shape, generator=random))

    def draw(count, classes=range(3)):
        labels = torch.tensor(classes).repeat_interleave(count)
        noise = torch.randn(len(labels), WIDTH, generator=random)
        return 7 * (centres[labels] + .5 * noise), labels

    return texts, draw


@pytest.fixture(params=PROBES)
def config(request, clip, vocabulary):
    return dict(PROBES[request.param], clip=clip, vocabulary=vocabulary)


@pytest.fixture
def fitted(config, world):
    texts, draw = world
    probe = MODELS.build(config)
    probe.fit(*draw(SHOTS), texts[:3], draw(4))
    return probe


@pytest.fixture
def feats(world, vocabulary):
    """A function that gives features of 30 images of base classes, and the
    texts of classes."""
    texts, draw = world
    image, _ = draw(10)

    def make(*labels, vocabulary=vocabulary):
        return CLIPFeatures(
            texts[list(labels)], torch.tensor(labels), vocabulary.ids,
            torch.tensor(100.), None, None, None, image)

    return make


def zero_shot(feats):
    return similarity(feats.image, feats.text, feats.logit_scale)


def test_it_beats_what_it_starts_from(fitted, feats):
    feats, labels = feats(0, 1, 2), torch.arange(3).repeat_interleave(10)
    right = (CLIPHead()(fitted(feats)).argmax(1) == labels).float().mean()
    before = (zero_shot(feats).argmax(1) == labels).float().mean()
    assert right > before + .05 and right > .8


def test_classes_are_known_by_their_identity(fitted, feats, vocabulary):
    """In any order, with any number beside them."""
    head = CLIPHead()
    some = head(fitted(feats(0, 1, 2)))
    torch.testing.assert_close(head(fitted(feats(2, 0))), some[:, [2, 0]],
                               rtol=1e-4, atol=1e-3)
    every = head(fitted(feats(0, 1, 2, 3, 4)))
    torch.testing.assert_close(every[:, :3].log_softmax(1),
                               some.log_softmax(1), rtol=1e-4, atol=1e-3)


def test_classes_without_images(fitted, feats):
    """CLIP answers for them, and their total probability stays; unless the
    probe has an answer of its own."""
    every = feats(0, 1, 2, 3, 4)
    logits, s = CLIPHead()(fitted(every)), zero_shot(every)
    if torch.equal(logits[:, 3:], s[:, 3:]):
        torch.testing.assert_close(
            logits.softmax(1)[:, :3].sum(1), s.softmax(1)[:, :3].sum(1),
            rtol=1e-3, atol=1e-4)
    else:
        assert type(fitted).score_new is not BaseProbe.score_new
    others = Vocabulary(('tin can', 'ox'))
    new = feats(0, 1, vocabulary=others)
    if type(fitted).score_new is BaseProbe.score_new:
        assert torch.equal(CLIPHead()(fitted(new)), zero_shot(new))


def test_round_trip(fitted, config, feats):
    """Rows of some classes, in another order."""
    expected = CLIPHead()(fitted(feats(0, 1, 2)))
    other = MODELS.build(config)
    assert not other.is_fitted
    other.load_state_dict(fitted.state_dict())
    assert torch.equal(CLIPHead()(other(feats(0, 1, 2))), expected)
    names = config['vocabulary'].base[2:0:-1]
    part = MODELS.build(dict(config, vocabulary=names))
    part.load_state_dict(fitted.state_dict())
    torch.testing.assert_close(CLIPHead()(part(feats(1, 2))),
                               expected[:, 1:], rtol=1e-4, atol=1e-3)


def test_a_batch_is_its_images(fitted, feats):
    whole = feats(0, 1, 2, 3, 4)
    parts = [fitted(whole._replace(image=part)).bonus
             for part in whole.image.split(7)]
    torch.testing.assert_close(torch.cat(parts), fitted(whole).bonus,
                               rtol=1e-4, atol=1e-3)


def test_the_same_twice(config, world, fitted):
    """Whatever torch drew before; and lengths of images do not matter."""
    texts, draw = world
    image, labels = draw(SHOTS)
    probes = []
    for factor in (1, 3):
        probes.append(MODELS.build(config))
        probes[-1].fit(factor * image, labels, texts[:3])
        torch.rand(1)
    first, second = (p.state_dict() for p in probes)
    for key, value in first.items():
        torch.testing.assert_close(second[key], value, rtol=1e-3, atol=1e-4)


def test_dept_on_top(fitted, feats, vocabulary):
    """Its own logits are those of CLIPHead; the loss trains DePT alone."""
    feats = fitted(feats(0, 1, 2))
    head = DePTHead(vocabulary, in_channels=WIDTH, fusion_weight=0.)
    assert torch.equal(head(feats), CLIPHead()(feats))
    samples = [DataSample().set_gt_label(i // 10) for i in range(30)]
    sum(head.loss(feats, samples).values()).backward()
    assert all(p.grad is not None for p in head.parameters())
    assert not list(fitted.parameters())


def test_what_it_refuses(config, world, feats, fitted):
    texts, draw = world
    probe, name = MODELS.build(config), config['type']
    with pytest.raises(DeptError, match=f'{name} has not been fitted.*Hook'):
        probe(feats(0, 1))
    image, labels = draw(SHOTS)
    with pytest.raises(DeptError, match="'a_very_long_winded.*no training"):
        probe.fit(image[:12], labels[:12], texts[:3])
    with pytest.raises(DeptError, match='rows of its 3 classes'):
        probe.fit(image, labels + 1, texts[:3])
    for wrong in (None, torch.ones(30, 2, WIDTH)):
        with pytest.raises(DeptError, match='one text per class'):
            fitted(feats(0, 1)._replace(text=wrong))


def test_normalised_images_are_what_is_fitted(fitted, feats):
    some = feats(0, 1, 2)
    longer = some._replace(image=2 * some.image)
    torch.testing.assert_close(fitted(longer).bonus, fitted(some).bonus,
                               rtol=1e-4, atol=1e-3)
    assert not torch.allclose(F.normalize(some.image, dim=1), some.image)
