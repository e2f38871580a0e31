"""What a model keeps, counts and refuses."""

import pytest
import torch

pytest.importorskip('transformers')
from language_models import FAMILIES, build, own, perturb, tokens

from dept_mm.errors import DeptError
from dept_mm.language import Tokens

SOFT = dict(type='SoftPrompt', num_tokens=3)
LATE = dict(type='LatePrompt', layer=2, num_tokens=2)


@pytest.mark.parametrize('family', FAMILIES)
def test_autocast(family):
    """bf16 gives about the same, and gradients in fp32."""
    model = perturb(build(family, SOFT, LATE))
    expected = own(model.encode(tokens()))
    with torch.autocast('cpu', torch.bfloat16):
        found = own(model.encode(tokens()))
    found.float().square().mean().backward()
    assert (found - expected).abs().mean() < .05 * expected.abs().mean()
    grad = model.input_prompt.prompt_tokens.grad
    assert grad.dtype == torch.float32 and grad.abs().sum() > 0


def test_prompts_start_from_a_text():
    """With its special tokens, as in the public code."""
    model = build('roberta', dict(SOFT, init=dict(text='great film')))
    known = model.lm.tokenizer.convert_tokens_to_ids
    assert torch.equal(model.input_prompt.tokens(), model.lm.tower.words(
        torch.tensor(known(['<s>', 'great', 'film']))))


def test_prompts_start_from_words():
    """T26: different ones, none special, the same for the same seed."""
    prompt = dict(SOFT, init=dict(vocab=3))
    model, again = build('roberta', prompt), build('roberta', prompt)
    found = model.input_prompt.tokens()
    words = model.lm.tower.words.weight
    rows = (found[:, None] == words).all(-1).nonzero()[:, 1].tolist()
    assert len(set(rows)) == 3 and not set(rows) & {0, 1, 2, 3, 4}
    assert torch.equal(again.input_prompt.tokens(), found)


OFFSETS = [dict(type='ADePTPrompt', num_tokens=2, rank=3, dropout=.1),
           dict(type='DecomposedPrompt', num_tokens=2, rank=3,
                max_length=16)]


@pytest.mark.parametrize('prompt', OFFSETS, ids=['adept', 'decomposed'])
def test_merged_offsets(prompt):
    """Evaluation computes them once; an update of the prompt is seen."""
    model, given = perturb(build('t5', prompt)), tokens()
    for _ in range(2):
        expected = own(model.encode(given))
        with torch.no_grad():
            for _ in range(2):
                torch.testing.assert_close(own(model.encode(given)), expected)
        perturb(model)


@pytest.mark.parametrize('prompt', OFFSETS, ids=['adept', 'decomposed'])
def test_merging_leaves_no_trace(prompt):
    """T7: training after an evaluation is training, bit by bit, and so is
    the next evaluation."""
    def learn(model):
        torch.manual_seed(2)  # of dropout
        own(model.train().encode(tokens())).square().sum().backward()
        return [p.grad for p in model.input_prompt.parameters()]

    model, other = (build('t5', prompt) for _ in range(2))
    for one in (model, other):
        torch.manual_seed(3)
        perturb(one)
    outputs = []
    for _ in range(2):
        with torch.no_grad():
            outputs.append(own(model.eval().encode(tokens())))
        model.zero_grad()
        found = learn(model)
    assert torch.equal(*outputs)
    expected = learn(other)
    assert all(g.any() for g in found)
    assert all(map(torch.equal, found, expected))


def test_prompts_do_not_fit():
    with pytest.raises(DeptError, match='38 positions'):
        build('roberta', SOFT, max_length=36)
    with pytest.raises(DeptError, match='one prompt of the input'):
        build('t5', SOFT, SOFT)
    with pytest.raises(DeptError, match='max_length 8 is less'):
        build('t5', dict(type='DecomposedPrompt', num_tokens=2, rank=2,
                         max_length=8))
    with pytest.raises(DeptError, match='is taken'):
        build('t5', LATE, LATE)


def test_rows_that_training_saw():
    """Offsets of later places are random: they are left out."""
    model = perturb(build('t5', dict(
        type='DecomposedPrompt', num_tokens=2, rank=2, max_length=16,
        untrained_rows='mask')))
    short = Tokens(*(t[1:] for t in tokens()))  # 4 and 5 tokens
    model.train().encode(short)
    assert model.eval().input_prompt.rows_seen == 5


def test_a_learner_of_clip_is_no_module():
    with pytest.raises(DeptError, match='CoOpPrompt is a prompt learner.*Wri'):
        build('roberta', dict(type='CoOpPrompt'))
