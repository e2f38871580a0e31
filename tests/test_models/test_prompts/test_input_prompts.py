"""Prompts of the input: soft, decomposed, adaptive-decomposed."""
import pytest
import torch
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.models.prompts import (
    ADePTPrompt,
    DecomposedPrompt,
    SoftPrompt,
    sample_rows,
)
from dept_mm.registry import MODELS

WIDTH, LENGTH = 12, 9
PLACE = torch.arange(LENGTH)


def decomposed(rank=3, **options):
    return DecomposedPrompt(WIDTH, 2, rank, LENGTH, **options)


def shaken(module):
    """Away from the start, where offsets are zero."""
    for p in module.parameters():
        p.data.normal_()
    return module.eval()


def embeds(*lead):
    return torch.randn(*lead, LENGTH, WIDTH)


def count(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize('config', [
    dict(type='SoftPrompt'),
    dict(type='DecomposedPrompt', rank=3, max_length=LENGTH),
    dict(type='DecomposedPrompt', rank=0, max_length=LENGTH),
    dict(type='ADePTPrompt', rank=3, dropout=.5),
    dict(type='ADePTPrompt', rank=0)])
def test_at_the_start_it_is_a_soft_prompt(config):
    """Dropout of what is zero is zero."""
    rows = torch.randn(3, WIDTH)
    module = MODELS.build(
        dict(config, embed_dims=WIDTH, num_tokens=5, init=rows)).train()
    assert torch.equal(module.tokens(), rows[[0, 1, 2, 0, 1]])
    offset = module.offset(embeds(2), PLACE)
    assert offset is None or not offset.any()
    assert module.num_tokens == 5


def test_gradients_of_the_first_step():
    """A product with a zero factor moves that factor alone."""
    for module, moved, still in (
            (decomposed(), ['offset_b'], ['offset_a']),
            (ADePTPrompt(WIDTH, 2, 3),
             ['offset_up.weight', 'offset_up.bias'],
             ['offset_down.weight', 'offset_down.bias'])):
        x = embeds(4)
        (x + module.offset(x, PLACE)).square().sum().backward()
        grads = {n: p.grad for n, p in module.named_parameters()}
        assert all(grads[n].any() for n in moved)
        assert not any(grads[n].any() for n in still)


@pytest.mark.parametrize('scale, factor', [
    ('sqrt', 8 / 3**.5), ('none', 1), (.5, .5)])
def test_any_offset_of_the_rank_can_be_learned(scale, factor):
    wanted = torch.randn(LENGTH, 3) @ torch.randn(3, WIDTH)
    module = decomposed(scale=scale)
    u, s, v = torch.linalg.svd(wanted, full_matrices=False)
    module.offset_a.data = u[:, :3] * s[:3] / factor
    module.offset_b.data = v[:3]
    torch.testing.assert_close(module.offset(embeds(2), PLACE), wanted,
                               rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(module.merge(), wanted, rtol=1e-4, atol=1e-5)


def test_padding_and_its_side_do_not_matter():
    """Tokens are counted without it; a cropped batch is the same."""
    module, x = shaken(decomposed()), embeds(1)
    left = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 1]])
    found = module.offset(x, left.cumsum(-1) - 1)[0, 3:]
    cropped = module.offset(x[:, :6], PLACE[:6])
    assert torch.equal(found, cropped)
    assert torch.equal(module.offset(x, PLACE)[:6], cropped)


def test_one_knows_the_place_and_the_other_the_token():
    order, x = torch.randperm(LENGTH), embeds()
    by_place, by_token = shaken(decomposed()), shaken(
        ADePTPrompt(WIDTH, 2, 3))
    assert torch.equal(by_place.offset(x, PLACE),
                       by_place.offset(x[order], PLACE))
    first, second = (by_token.offset(t, PLACE) for t in (x, x[order]))
    torch.testing.assert_close(second, first[order])
    assert not torch.allclose(second, first)


def test_the_network_by_hand():
    module, x = shaken(ADePTPrompt(WIDTH, 2, 3, dropout=.5)), embeds(2)
    w1, b1, w2, b2 = (p.detach() for p in (
        *module.offset_down.parameters(), *module.offset_up.parameters()))
    expected = (x @ w1.T + b1).clamp(min=0) @ w2.T + b2
    torch.testing.assert_close(module.offset(x), expected)
    module.train()
    assert not torch.allclose(module.offset(x), expected)


def test_merged_into_the_table_of_words():
    table, ids = nn.Embedding(20, WIDTH), torch.randint(20, (3, LENGTH))
    module = shaken(ADePTPrompt(WIDTH, 2, 3, dropout=.5)).train()
    x = table(ids)
    before = x + module.eval().offset(x)
    merged = module.train().merge(table.weight)[ids]
    torch.testing.assert_close(merged, before)
    # Neither the module nor the table is changed by it.
    assert torch.equal(table(ids) + module.eval().offset(x), before)


def test_scope():
    scope = torch.tensor([0, 1, 1, 1, 1, 1, 1, 1, 0], dtype=torch.bool)
    x = embeds(2)
    for module in shaken(decomposed()), shaken(ADePTPrompt(WIDTH, 2, 3)):
        whole = module.offset(x, PLACE)
        part = module.offset(x, PLACE, scope)
        assert not part[..., [0, 8], :].any()
        assert torch.equal(part[..., 1:8, :], whole[..., 1:8, :])


def test_rows_of_lengths_never_trained_on_stay_out_of_evaluation():
    module, x = shaken(decomposed(untrained_rows='mask')), embeds()
    module.note_length(4)
    module.note_length(torch.tensor(3))
    whole = module.train().offset(x, PLACE)
    assert whole[4:].any()
    found = module.eval().offset(x, PLACE)
    assert torch.equal(found[:4], whole[:4]) and not found[4:].any()
    other = shaken(decomposed(untrained_rows='mask'))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.offset(x, PLACE), found)


def test_longer_inputs():
    x, place = torch.randn(LENGTH + 2, WIDTH), torch.arange(LENGTH + 2)
    with pytest.raises(DeptError, match='11 tokens, but max_length is 9'):
        decomposed().offset(x, place)
    clamp, none = (shaken(decomposed(overflow=how)) for how in (
        'clamp', 'none'))
    table = clamp.merge()
    assert torch.equal(clamp.offset(x, place), torch.cat(
        [table, table[-1:], table[-1:]]))
    assert not none.offset(x, place)[LENGTH:].any()
    assert torch.equal(none.offset(x, place)[:LENGTH], none.merge())


@pytest.mark.parametrize('module, expected', [
    (SoftPrompt(768, 100), 76_800),
    (DecomposedPrompt(768, 40, 45, 256), 76_800),
    (DecomposedPrompt(768, 60, 'match:100', 256), 76_800),
    (ADePTPrompt(768, 60, 19), 76_051),
    (ADePTPrompt(768, 60, 'match:100'), 76_051),
    (DecomposedPrompt(512, 4, 'match:16', 73), 7_898),
    (ADePTPrompt(512, 4, 'match:16'), 7_685)])
def test_published_counts(module, expected):
    assert count(module) == expected


@pytest.mark.parametrize('length', [7, 13, 100])
@pytest.mark.parametrize('make', [
    lambda rank: DecomposedPrompt(96, 4, rank, 77),
    lambda rank: ADePTPrompt(96, 3, rank)])
def test_the_matched_rank_is_the_largest(make, length):
    found = make(f'match:{length}')
    assert count(found) <= length * 96 < count(make(found.rank + 1))


@pytest.mark.parametrize('make, culprit', [
    (lambda: decomposed(rank='match:2'), 'DecomposedPrompt.*no room'),
    (lambda: decomposed(rank='many'), "rank is 'many'"),
    (lambda: decomposed(rank=-1), 'rank is -1'),
    (lambda: decomposed(scale='cube'), "scale 'cube'"),
    (lambda: decomposed(overflow='cut'), "overflow 'cut'"),
    (lambda: decomposed(untrained_rows='drop'), "'drop' is not one of"),
    (lambda: ADePTPrompt(8, 1, 2, w1_init='zero'), "w1_init 'zero'"),
    (lambda: SoftPrompt(8, -1), 'num_tokens is -1'),
    (lambda: SoftPrompt(8, 1, torch.ones(1, 9)), 'width 8')])
def test_bad_options(make, culprit):
    with pytest.raises(DeptError, match=culprit):
        make()


@pytest.mark.parametrize('w1_init, bound', [('code', 19), ('linear', 768)])
def test_ranges_of_the_start(w1_init, bound):
    weight = ADePTPrompt(768, 1, 19, w1_init=w1_init).offset_down.weight
    assert .99 * bound**-.5 < weight.abs().max() <= bound**-.5
    a = DecomposedPrompt(768, 1, 45, 256).offset_a
    assert .99 * 45**-.5 < a.abs().max() <= 45**-.5
    noise = SoftPrompt(768, 100, .5).prompt_tokens
    assert noise.std().item() == pytest.approx(.5, rel=.02)


def test_nothing_to_learn_is_legal():
    """The offset alone, and neither."""
    for module in (ADePTPrompt(WIDTH, 0, 3), DecomposedPrompt(
            WIDTH, 0, 3, LENGTH)):
        assert module.tokens().shape == (0, WIDTH)
        assert all(n.startswith('offset_') for n, p in
                   module.named_parameters() if p.requires_grad)
    table = torch.randn(4, WIDTH)
    assert torch.equal(ADePTPrompt(WIDTH, 1, 0).merge(table), table)
    assert not count(ADePTPrompt(WIDTH, 0, 0))


def test_sampled_words():
    table = torch.arange(6000.)[:, None]
    first, again, other = (sample_rows(table, 50, seed, exclude=range(3))
                           for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    drawn = set(first[:, 0].tolist())
    assert len(drawn) == 50 and min(drawn) >= 3 and max(drawn) < 5000
    assert len(sample_rows(table, 3, exclude=[1], limit=4)) == 3
    with pytest.raises(DeptError, match='4 rows cannot be drawn from 3'):
        sample_rows(table, 4, exclude=[1], limit=4)
