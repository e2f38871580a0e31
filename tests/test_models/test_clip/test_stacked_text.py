"""Texts of several runs as one batch, against each alone in fp64."""
from functools import partial

import pytest
import torch

from dept_mm.engine.lockstep import lockstep
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import build_clip
from dept_mm.models.clip.stacked_text import answer, asking
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.structures import Prompts, Vocabulary

EXACT = dict(rtol=1e-12, atol=1e-12)


@pytest.fixture
def vocabulary():
    """Names for which a short context has room."""
    names = 'red fox', 'cat', 'small grey owl', 'bee', 'dog'
    return Vocabulary(names, names[:3])


@pytest.fixture(params=['vit', 'not_causal'])
def double(clip_configs, request):
    """A CLIP in fp64, with the engine and without."""
    built = build_clip(clip_configs[request.param])
    yield built.double()
    built.float()  # other tests share it


@pytest.fixture
def calls(monkeypatch):
    """Shapes of what the text tower makes."""
    shapes, run = [], TextTower.__call__

    def record(self, *args):
        out = run(self, *args)
        shapes.append(tuple(out.shape[:-1]))
        return out

    monkeypatch.setattr(TextTower, '__call__', record)
    return shapes


def together(*works):
    """Do works that encode text, and give back what they return."""
    found = {}

    def do(work, number, ask):
        with asking(ask):
            found[number] = work()

    errors = lockstep([partial(do, work, i) for i, work in enumerate(works)],
                      answer)
    assert errors == [None] * len(works)
    return [found[i] for i in range(len(works))]


def twice(model, image, weight):
    """Features, gradients, and gradients of something else before them."""
    text = model.text_features(image)
    learned = list(model.parameters())
    first = torch.autograd.grad(text.square().sum(), learned,
                                retain_graph=True, allow_unused=True)
    second = torch.autograd.grad((text * weight).sum(), learned,
                                 allow_unused=True)
    return text, first, second


def make_models(clip, vocabulary, learner, count=3):
    """Models whose learned tokens differ."""
    models = [PromptedCLIP(clip, vocabulary, learner).double().train()
              for _ in range(count)]
    for model in models:
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter), alpha=.1)
    return models


def test_features_and_gradients(double, vocabulary, learner, calls):
    """Of runs with 1, 2 and 3 images, where that matters."""
    models = make_models(double, vocabulary, learner)
    works = [partial(twice, model, torch.randn(i, 16).double(), torch.randn(
        3, 16).double()) for i, model in enumerate(models, 1)]
    del calls[:]
    stacked = together(*works)
    per_image = models[0].prompt.per_image
    # Offsets and functions have no image axis.
    in_turns = any(module['type'] != 'SoftPrompt'
                   for module in learner.get('text', ()))
    known = [shape for shape in calls if len(shape) > 1]
    alone = [(1, 3), (2, 3), (3, 3)] if per_image else []
    assert sorted(known) == (alone if in_turns
                             else [(6 if per_image else 3, 3)])
    for found, work in zip(stacked, works, strict=True):
        for a, b in zip(found, work(), strict=True):
            torch.testing.assert_close(a, b, **EXACT)
        assert found[0].requires_grad


def test_class_specific_contexts(double, vocabulary, calls):
    models = make_models(double, vocabulary,
                         dict(type='CoOpPrompt', class_specific=True))
    images, weight = torch.randn(1, 16).double(), torch.randn(3, 16).double()
    works = [partial(twice, model, images, weight) for model in models]
    stacked = together(*works)
    assert calls == [(3, 3)]
    for found, work in zip(stacked, works, strict=True):
        for a, b in zip(found, work(), strict=True):
            torch.testing.assert_close(a, b, **EXACT)


def test_only_what_is_alike_is_joined(double, vocabulary, calls):
    """Other classes, other lengths and other places are other batches."""
    def work(number, mode=True, **options):
        model, = make_models(double, vocabulary, dict(
            type='CoOpPrompt', num_tokens=number, **options), 1)
        model.train(mode)
        return lambda: model.text_features(torch.randn(1, 16).double())

    def late(front):
        tokens = models[0].clip.tokenize(vocabulary.names, '{}.')
        prompts = Prompts(inserted={1: torch.randn(2, 32).double()},
                          front=front)
        return lambda: models[0].clip.encode_text(tokens, prompts)

    models = make_models(double, vocabulary, dict(type='CoOpPrompt'), 1)
    works = [work(2), work(2, mode=False), work(4), work(2), work(4),
             work(4, position='front'), late([]), late([]), late([1])]
    stacked = together(*works)
    assert sorted(calls) == [(1, 3), (1, 5), (1, 5), (2, 3), (2, 3), (2, 5)]
    for found, each in zip(stacked, works, strict=True):
        torch.testing.assert_close(found, each(), **EXACT)


def test_without_gradients(double, vocabulary, calls):
    """One run tests while others train: none pays for the other."""
    models = make_models(double, vocabulary, dict(type='CoOpPrompt'), 2)
    image = torch.randn(1, 16).double()
    tested, trained = together(
        torch.no_grad()(partial(models[0].text_features, image)),
        partial(models[1].text_features, image))
    assert calls == [(2, 3)]
    assert trained.requires_grad and not tested.requires_grad


@pytest.mark.parametrize('prompts', [
    lambda tokens: dict(context=tokens, offset=tokens.mean()[None, None]
                        .expand(1, 32)),
    lambda tokens: dict(context=tokens, inserted={
        1: lambda x, last: x[:, :1] + tokens[:1]})],
    ids=['offset', 'function'])
def test_what_has_no_image_axis_is_done_in_turns(clip, vocabulary, prompts,
                                                 calls):
    built = build_clip(clip)
    tokens = built.tokenize(vocabulary.names, '{}.', 4)

    def work(seed):
        learned = torch.randn(4, 32, generator=torch.manual_seed(seed),
                              requires_grad=True)
        text = built.encode_text(tokens, Prompts(**prompts(learned)))
        return text, *torch.autograd.grad(text.sum(), learned)

    works = [partial(work, seed) for seed in range(2)]
    stacked = together(*works)
    assert calls == [(5, )] * 2
    for found, each in zip(stacked, works, strict=True):
        torch.testing.assert_close(found, each())


def test_one_that_is_gone_before_its_gradient(double, vocabulary):
    """The rest of its batch goes on."""
    models = make_models(double, vocabulary, dict(type='CoOpPrompt'), 2)
    image, weight = torch.randn(1, 16).double(), torch.randn(3, 16).double()
    gone, found = together(lambda: models[0].text_features(image).detach(),
                           partial(twice, models[1], image, weight))
    for a, b in zip(found, twice(models[1], image, weight), strict=True):
        torch.testing.assert_close(a, b, **EXACT)
    torch.testing.assert_close(gone, models[0].text_features(image).detach(),
                               **EXACT)
