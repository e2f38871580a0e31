"""The loop over blocks against the stock forward, and prompts in it."""

import pytest
import torch

pytest.importorskip('transformers')
from language_models import (
    FAMILIES,
    LENGTHS,
    build,
    own,
    perturb,
    stock,
    tokens,
)

from dept_mm.errors import DeptError
from dept_mm.language import Tokens
from dept_mm.language.towers import TOWERS

SOFT = dict(type='SoftPrompt', num_tokens=3)
LATE = dict(type='LatePrompt', layer=2, num_tokens=2, generator='npg',
            bottleneck=8)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.mark.parametrize('side', ['right', 'left', None])
@pytest.mark.parametrize('family', TOWERS)
def test_without_prompts_it_is_the_stock_forward(family, side):
    """T8b, for every kind of model, with and without padding."""
    model = build(family)
    given = tokens(side) if side else Tokens(*(x[:1] for x in tokens()))
    expected = stock(model.lm.model, given)[given.mask]
    torch.testing.assert_close(own(model.encode(given)), expected, rtol=0,
                               atol=1e-5)


@pytest.mark.parametrize('prompts', [[SOFT], [LATE], [
    dict(type='DecomposedPrompt', num_tokens=2, rank=2, max_length=16),
    dict(LATE, generator='mppg')]], ids=['soft', 'late', 'both'])
def test_the_side_of_padding_does_not_matter(family, prompts):
    """T13, for the tokens' own hidden states and those of prompts."""
    model = perturb(build(family, *prompts))
    right, left = (model.encode(tokens(side)) for side in ('right', 'left'))
    torch.testing.assert_close(own(right), own(left), rtol=0, atol=1e-5)


def test_positions_by_slot_would_differ():
    """The test above can fail: GPT-2's default positions count padding."""
    model, given = build('gpt2'), tokens('left')
    found = stock(model.lm.model, given, position_ids=torch.arange(7)[None])
    assert (found[given.mask] - own(model.encode(given))).abs().max() > .01


@pytest.mark.parametrize('kind', ['DecomposedPrompt', 'ADePTPrompt'])
def test_zero_offsets_are_a_soft_prompt(family, kind):
    """T1, T2: at the start, in training too."""
    options = dict(max_length=16) if kind == 'DecomposedPrompt' else dict(
        dropout=.5)
    soft = build(family, SOFT)
    other = build(family, dict(type=kind, num_tokens=3, rank=2, **options))
    rows = torch.randn(3, soft.lm.tower.width)
    for model in (soft, other):
        model.backbone_eval = True
        model.train()
        prompt = getattr(model.input_prompt, 'soft', model.input_prompt)
        prompt.prompt_tokens.data.copy_(rows)
    a, b = (own(model.encode(tokens())) for model in (soft, other))
    assert torch.equal(a, b)


@pytest.mark.parametrize('kind', ['DecomposedPrompt', 'ADePTPrompt'])
def test_padding_changes_nothing(family, kind):
    """T5: a text alone is the text in a padded batch."""
    options = dict(max_length=16) if kind == 'DecomposedPrompt' else {}
    model = perturb(build(family, dict(type=kind, num_tokens=3, rank=2,
                                       **options)))
    given = tokens()
    whole = model.encode(given)
    for i, length in enumerate(LENGTHS):
        alone = model.encode(Tokens(given.ids[i:i + 1, :length],
                                    given.mask[i:i + 1, :length]))
        torch.testing.assert_close(
            whole.hidden[i, :alone.hidden.shape[1]], alone.hidden[0], rtol=0,
            atol=1e-5)


def test_input_prompts_take_positions(family):
    """The library's forward on embeddings, prompts in front."""
    model, given = build(family, SOFT), tokens()
    rows = model.input_prompt.tokens().expand(3, -1, -1)
    embeds = torch.cat([rows, model.lm.tower.words(given.ids)], 1)
    mask = torch.cat([given.mask.new_ones(3, 3), given.mask], 1)
    tower = getattr(model.lm.model, 'encoder' if family == 't5' else
                    model.lm.model.base_model_prefix)
    expected = tower(inputs_embeds=embeds,
                     attention_mask=mask.long()).last_hidden_state
    out = model.encode(given)
    assert out.shift == 3
    torch.testing.assert_close(out.hidden[mask], expected[mask], rtol=0,
                               atol=1e-5)


def test_a_hidden_late_prompt_is_none(family):
    """T9: masked out, it changes nothing; zeros that are seen do."""
    model, plain, given = build(family, LATE), build(family), tokens()
    expected = own(plain.encode(given))
    zeros = [torch.zeros(3, 2, model.lm.tower.width)]
    model.late_prompts[0].generate = lambda *_: zeros[0]
    assert (own(model.encode(given)) - expected).abs().max() > 1e-3
    bias = model.lm.tower.make_bias

    def hidden_prompt(mask, dtype):
        found = bias(mask, dtype).clone()
        if mask.shape[1] == 9:
            found[..., :2] = torch.finfo(dtype).min
        return found

    model.lm.tower.make_bias = hidden_prompt
    torch.testing.assert_close(own(model.encode(given)), expected, rtol=0,
                               atol=1e-5)


def test_late_prompts_leave_the_bias_of_tokens():
    """T13: T5's bias between tokens does not know of rows in front."""
    tower = build('t5').lm.tower
    few, many = (tower.make_bias(torch.ones(1, n, dtype=torch.bool),
                                 torch.float32) for n in (7, 9))
    assert torch.equal(many[:, :, 2:, 2:], few)


def test_gradients_stop_at_the_late_prompt(family):
    """T10, on a model that is not frozen."""
    model = build(family, LATE)
    model.lm.model.requires_grad_(True)
    own(model.encode(tokens())).square().sum().backward()
    blocks = model.lm.tower.blocks
    for k, block in enumerate(blocks):
        # T5's first block owns the bias, which all blocks use.
        grads = [p.grad for name, p in block.named_parameters()
                 if 'relative' not in name]
        assert all((g is None) == (k < 2) for g in grads), k
    assert all(p.grad.abs().sum() > 0 for p in
               model.late_prompts.parameters())


def test_input_prompts_learn_beside_late_ones(family):
    model = perturb(build(family, SOFT, LATE))
    own(model.encode(tokens())).square().sum().backward()
    assert model.input_prompt.prompt_tokens.grad.abs().sum() > 0


def test_nothing_is_kept_where_nothing_is_learned(family):
    assert not build(family).encode(tokens()).hidden.requires_grad


def test_late_prompt_behind_the_last_block(family):
    """T11: it would have no effect."""
    blocks = len(build(family).lm.tower.blocks)
    with pytest.raises(DeptError, match=f'has {blocks}'):
        build(family, dict(LATE, layer=blocks))


def test_late_prompt_by_hand():
    """T11: RoBERTa's blocks one by one."""
    model, given = perturb(build('roberta', LATE)), tokens()
    base, late = model.lm.model.roberta, model.late_prompts[0]
    lowest = torch.finfo(torch.float32).min
    x = base.embeddings(given.ids)
    bias = (~given.mask)[:, None, None] * lowest
    for block in base.encoder.layer[:2]:
        x = block(x, bias)
        x = x if torch.is_tensor(x) else x[0]
    down, up = late.late_down, late.late_up
    rows = (x[:, 0] @ down.weight.T + down.bias).clamp(min=0)
    rows = (rows @ up.weight.T + up.bias).reshape(3, 2, -1)
    x = torch.cat([rows, x], 1)
    bias = torch.cat([torch.zeros(3, 1, 1, 2), bias], -1)
    for block in base.encoder.layer[2:]:
        x = block(x, bias)
        x = x if torch.is_tensor(x) else x[0]
    torch.testing.assert_close(model.encode(given).hidden[:, 2:][given.mask],
                               x[:, 2:][given.mask], rtol=0, atol=1e-5)
