"""The fast way through the text tower against the plain one."""
import random

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dept_mm.models import PromptedCLIP
from dept_mm.models.class_texts.split import in_chunks
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.models.utils.kept import keeping_nothing
from dept_mm.structures import BlockParts, Prompts, Vocabulary

WORDS = ('cat', 'dog', 'owl', 'bee', 'fox', 'photo', 'red', 'x')
EXACT = dict(rtol=1e-12, atol=1e-12)


def sentence(length):
    """Make names of words that are one token each."""
    return ' '.join(random.choices(WORDS, k=length))


def class_lists():
    """What decides which way the engine goes: one class has no padding and
    all but shares its sentence; equal lengths have no padding; names that
    begin alike share more than the template; the last list has names of one
    to 40 words, the most that fit."""
    random.seed(0)
    many = [sentence(random.randint(1, 40)) for _ in range(7)]
    return dict(one=['cat'], equal=['cat', 'dog', 'owl'],
                alike=['cat', 'cat dog', 'cat dog owl'],
                ragged=['cat', *many, sentence(40)])


LISTS = class_lists()


@pytest.fixture(params=LISTS)
def names(request):
    return tuple(dict.fromkeys(LISTS[request.param]))


def result(backbone, images):
    """Text features and the gradients of everything that is learned."""
    backbone.zero_grad()
    with keeping_nothing():  # or the second way would give the first's text
        text = backbone(images).text
    weight = torch.randn(text.shape, generator=torch.manual_seed(1),
                         dtype=text.dtype)
    if text.requires_grad:
        (text * weight).sum().backward()
    grads = [p.grad.clone() for p in backbone.parameters()
             if p.grad is not None]
    return text.detach(), grads


def same_both_ways(backbone, images, monkeypatch):
    fast, fast_grads = result(backbone, images)
    monkeypatch.setattr(TextTower, '__call__', TextTower.plain)
    plain, plain_grads = result(backbone, images)
    torch.testing.assert_close(fast, plain, **EXACT)
    for ours, theirs in zip(fast_grads, plain_grads, strict=True):
        scale = theirs.abs().max().clamp(min=1e-6)
        torch.testing.assert_close(ours / scale, theirs / scale, **EXACT)
    return fast_grads


@pytest.mark.parametrize('names', ['ragged'], indirect=True)
def test_every_learner(double, learner, names, images, monkeypatch):
    """On one list: what they return is tested on all, in every place."""
    backbone = PromptedCLIP(double, Vocabulary(names), learner).double()
    for parameter in backbone.parameters():  # deep tokens may start equal
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    assert same_both_ways(backbone, images.double(), monkeypatch)


@pytest.mark.parametrize('options', [
    dict(position='middle'), dict(position='front'),
    dict(position='middle', class_specific=True), dict(class_specific=True)])
def test_positions(double, options, names, images, monkeypatch):
    prompt = dict(type='CoOpPrompt', num_tokens=5, **options)
    backbone = PromptedCLIP(double, Vocabulary(names), prompt).double()
    assert same_both_ways(backbone, images.double(), monkeypatch)


def test_without_prompts(double, names, images, monkeypatch):
    templates = ['{}', 'a photo of a {}, a type of thing.']
    backbone = PromptedCLIP(double, Vocabulary(names), templates=templates)
    same_both_ways(backbone, images.double(), monkeypatch)


def mean_before(x, last):
    """A late prompt made of all tokens that the last one sees."""
    seen = torch.arange(x.shape[1]) <= last[:, None]
    mean = (x * seen[..., None]).sum(1) / (last + 1)[:, None]
    return torch.stack([mean, x[torch.arange(len(x)), last]], 1)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64) / 10


def mix(before):
    """Deep tokens that depend on those that they replace."""
    return before * .7 + .1


def add(x):
    """A part of a block that is not linear."""
    return (x * 3).sin() / 5


PARTS = dict.fromkeys(range(2), BlockParts(add, add, add, add, add))

# Name -> prompts for B images and C classes of T own tokens; 2 are context.
PLACES = dict(
    offset=lambda b, c, t: Prompts(offset=draw(t, 32)),
    offset_per_class=lambda b, c, t: Prompts(draw(2, 32), draw(c, t, 32)),
    class_context_deep=lambda b, c, t: Prompts(
        draw(c, 2, 32), deep={1: draw(2, 32)}),
    deep_per_class=lambda b, c, t: Prompts(
        draw(2, 32), deep={1: draw(c, 2, 32)}),
    deep_per_image=lambda b, c, t: Prompts(
        draw(2, 32), deep={1: draw(b, 1, 2, 32)}),
    deep_per_image_and_class=lambda b, c, t: Prompts(
        draw(b, 1, 2, 32), deep={1: draw(b, c, 2, 32)}),
    context_per_image_and_class=lambda b, c, t: Prompts(draw(b, c, 2, 32)),
    deep_function=lambda b, c, t: Prompts(draw(2, 32), deep={1: mix}),
    deep_function_per_class=lambda b, c, t: Prompts(
        draw(c, 2, 32), deep={1: mix}),
    deep_function_per_image=lambda b, c, t: Prompts(
        draw(b, 1, 2, 32), deep={1: mix}),
    parts=lambda b, c, t: Prompts(draw(2, 32), parts=PARTS),
    parts_per_image=lambda b, c, t: Prompts(draw(b, 1, 2, 32), parts=PARTS),
    parts_per_class=lambda b, c, t: Prompts(draw(c, 2, 32), parts=PARTS),
    inserted=lambda b, c, t: Prompts(draw(2, 32), inserted={1: draw(3, 32)}),
    inserted_per_class=lambda b, c, t: Prompts(
        draw(2, 32), inserted={1: draw(c, 3, 32)}),
    inserted_and_deep=lambda b, c, t: Prompts(
        draw(2, 32), inserted={1: draw(3, 32)}, deep={1: draw(2, 32)}),
    inserted_function=lambda b, c, t: Prompts(
        draw(2, 32), inserted={1: mean_before}),
    inserted_function_per_image=lambda b, c, t: Prompts(
        draw(b, 1, 2, 32), inserted={1: mean_before}),
    inserted_function_deep=lambda b, c, t: Prompts(
        draw(2, 32), inserted={1: mean_before}, deep={1: draw(c, 2, 32)}),
    front=lambda b, c, t: Prompts(
        draw(2, 32), inserted={0: draw(3, 32)}, front={0}),
    front_per_class=lambda b, c, t: Prompts(
        draw(2, 32), inserted={0: draw(c, 3, 32)}, front={0}),
    front_per_image=lambda b, c, t: Prompts(
        draw(2, 32), inserted={0: draw(b, 1, 3, 32)}, front={0}),
    front_function_deep=lambda b, c, t: Prompts(
        draw(2, 32), inserted={0: mean_before}, deep={1: draw(2, 32)},
        front={0}),
    front_then_behind=lambda b, c, t: Prompts(
        inserted={0: draw(c, 3, 32), 1: mean_before}, front={0}),
    inserted_per_class_offset=lambda b, c, t: Prompts(
        offset=draw(c, t, 32), inserted={1: draw(3, 32)}),
)


@pytest.mark.parametrize('place, position', [
    *((place, 'end') for place in PLACES),
    *((place, position) for position in ('middle', 'front')
      for place in ('context_per_image_and_class', 'inserted_function',
                    'offset_per_class'))])
def test_every_place(double, place, position, names):
    tokens = double.tokenize(names, 'a {}.', 2)
    prompts = PLACES[place](3, len(names), tokens.ids.shape[1])
    given = [t for t in (prompts.context, prompts.offset,
                         *prompts.deep.values(), *prompts.inserted.values())
             if isinstance(t, torch.Tensor)]
    for t in given:
        t.requires_grad_()
    found = []
    for way in (double.text_tower, double.text_tower.plain):
        text = way(tokens, prompts, position)
        weight = torch.randn(text.shape, generator=torch.manual_seed(1),
                             dtype=text.dtype)
        found.append((text, torch.autograd.grad(
            (text * weight).sum(), given, allow_unused=True)))
    (fast, fast_grads), (plain, plain_grads) = found
    torch.testing.assert_close(fast, plain, **EXACT)
    for ours, theirs in zip(fast_grads, plain_grads, strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


def test_full_length_ids_change_nothing(double):
    """The plain way over all 77 positions, as open_clip has it."""
    names = ['cat', 'a red fox', sentence(60)]
    tokens = double.tokenize(names, '{}')
    ids = double.tokenizer(names)
    expected = double.model.encode_text(ids)
    torch.testing.assert_close(double.text_tower(tokens, Prompts()),
                               expected, **EXACT)


def test_chunks(double, learner, images):
    """The last chunk is of one class."""
    names = ('cat', 'a red fox', 'owl', 'bee bee')
    whole = PromptedCLIP(double, Vocabulary(names), learner).double()
    parts = PromptedCLIP(double, Vocabulary(names), learner,
                         class_chunk=3).double()
    parts.load_state_dict(whole.state_dict())
    text, grads = result(whole, images.double())
    parts_text, parts_grads = result(parts, images.double())
    torch.testing.assert_close(parts_text, text, **EXACT)
    for ours, theirs in zip(parts_grads, grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_chunk_is_encoded_alone():
    sizes = []

    def encode(rows):
        sizes.append(len(rows))
        return torch.zeros(len(rows), 3)

    with torch.no_grad():
        assert in_chunks(encode, range(7), 3).shape == (7, 3)
    assert sizes == [3, 3, 1]


def test_the_arithmetic_is_that_of_the_own_tokens(double):
    """100 classes of 3 own tokens (name, '.', end) behind 17 shared ones:
    about 12 multiplications of W^2 a token and block, the last block less."""
    names = [f'{a} {b}' for a in WORDS for b in WORDS]
    tokens = double.tokenize(names, '{}', 16)
    context = torch.randn(16, 32, dtype=torch.float64)
    width, blocks = 32, double.text_tower.num_layers
    counted = len(names) * 3 + 17
    linear = 2 * 12 * width**2 * counted * blocks
    with FlopCounterMode(display=False) as counter:
        double.encode_text(tokens, Prompts(context))
    assert counter.get_total_flops() < 1.2 * linear
    with FlopCounterMode(display=False) as counter:
        double.text_tower.plain(tokens, Prompts(context))
    assert counter.get_total_flops() > 5 * linear


def test_frozen_text_is_encoded_once(clip, vocabulary, images, monkeypatch):
    """In training, too, where nothing that is learned is in it."""
    calls = []
    run = TextTower.__call__
    monkeypatch.setattr(TextTower, '__call__', lambda *args: (
        calls.append(1), run(*args))[1])
    prompt = dict(type='IVLPPrompt', num_text_tokens=0)
    for backbone in (PromptedCLIP(clip, vocabulary),
                     PromptedCLIP(clip, vocabulary, prompt)):
        calls.clear()
        first = backbone(images).text
        for parameter in backbone.parameters():
            parameter.data.add_(1)
        assert torch.equal(backbone(images).text, first)
        assert len(calls) == 1
        backbone.eval()
        assert len(backbone(images).text) == len(vocabulary)
