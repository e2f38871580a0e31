"""Late prompts: generators over hidden states."""
import pytest
import torch
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.prompts import LatePrompt, adaptive_pool
from dept_mm.registry import MODELS

WIDTH, SLOTS, TOKENS = 12, 14, 4
LENGTHS = (1, 2, TOKENS - 1, TOKENS, TOKENS + 1, 3 * TOKENS + 1)


def late(generator, **options):
    return MODELS.build(dict(
        type='LatePrompt', embed_dims=WIDTH, layer=1, num_tokens=TOKENS,
        generator=generator, bottleneck=6, **options)).eval()


def hidden():
    return torch.randn(len(LENGTHS), SLOTS, WIDTH)


def own(left=False):
    """Masks of inputs of all lengths, padded on one side."""
    mask = torch.arange(SLOTS) < torch.tensor(LENGTHS)[:, None]
    return mask.flip(-1) if left else mask


@pytest.mark.parametrize('left', [False, True])
@pytest.mark.parametrize('largest, pool', [
    (False, F.adaptive_avg_pool1d), (True, F.adaptive_max_pool1d)])
def test_pooling_is_that_of_each_input_alone(largest, pool, left):
    x, mask = hidden(), own(left)
    expected = torch.stack([pool(row[real].T[None], TOKENS)[0].T
                            for row, real in zip(x, mask, strict=True)])
    found = adaptive_pool(x, mask, TOKENS, largest)
    torch.testing.assert_close(found, expected)
    # Other padding changes nothing.
    x[~mask] = 1e4
    torch.testing.assert_close(adaptive_pool(x, mask, TOKENS, largest),
                               expected)


def test_pooling_generators_by_hand():
    x = hidden()
    for name, pool in (('appg', F.adaptive_avg_pool1d),
                       ('mppg', F.adaptive_max_pool1d)):
        module = late(name)
        expected = module.late_up(pool(
            module.late_down(x).mT, TOKENS).mT.relu())
        torch.testing.assert_close(module.generate(x), expected)


def test_the_naive_generator_reads_its_anchor():
    module, x, anchor = late('npg'), hidden(), torch.tensor(LENGTHS)
    found = module.generate(x, None, anchor)
    read = torch.stack([row[i] for row, i in zip(x, LENGTHS, strict=True)])
    expected = module.late_up(module.late_down(read).relu())
    torch.testing.assert_close(found.flatten(1), expected)
    others = torch.randn_like(x).scatter(
        1, anchor[:, None, None].expand(-1, -1, WIDTH), read[:, None])
    torch.testing.assert_close(module.generate(others, None, anchor), found)


def test_normalised_input():
    plain, module, x = late('appg'), late('appg', pre_norm=True), hidden()
    plain.load_state_dict(module.state_dict())
    normal = (x - x.mean(-1, keepdim=True)) / (
        x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(module.generate(x), plain.generate(normal))


def test_free_tokens_are_the_same_for_all():
    module = late('none')
    found = module.generate(hidden())
    assert found.shape == (len(LENGTHS), TOKENS, WIDTH)
    assert torch.equal(found[0], found[3])


def test_dropout_in_training_alone():
    module, x = late('mppg', dropout=.5), hidden()
    assert torch.equal(module.generate(x), module.generate(x))
    zero = (module.train().generate(x) == 0).float().mean()
    assert .3 < zero < .7


@pytest.mark.parametrize('generator', ['none', 'npg', 'appg', 'mppg'])
def test_rows_to_start_from(generator):
    rows = torch.randn(TOKENS, WIDTH)
    found = late(generator, init=rows).generate(
        hidden(), own(), torch.tensor(LENGTHS))
    expected = rows if generator in ('none', 'npg') else rows[:1]
    assert (found - expected).abs().max() < .05


@pytest.mark.parametrize('options, expected', [
    (dict(num_tokens=5, generator='npg', bottleneck=128), 791_680),
    (dict(num_tokens=5, generator='npg', bottleneck=64), 398_400),
    (dict(num_tokens=5, generator='npg', bottleneck=256), 1_578_240),
    (dict(num_tokens=5, generator='mppg', bottleneck=128), 263_296),
    (dict(num_tokens=9, generator='appg', bottleneck=128), 263_296),
    (dict(num_tokens=20), 20_480)])
def test_published_counts(options, expected):
    module = LatePrompt(1024, 12, **options)
    assert sum(p.numel() for p in module.parameters()) == expected


@pytest.mark.parametrize('options, culprit', [
    (dict(generator='mlp'), "generator 'mlp'"),
    (dict(anchor='middle'), "anchor 'middle'"),
    (dict(num_tokens=0), 'num_tokens is 0'),
    (dict(layer=-1), 'layer is -1.*at least 0'),
    (dict(layer=0, generator='npg'), 'layer is 0.*at least 1'),
    (dict(generator='npg', bottleneck=0), 'bottleneck is 0')])
def test_bad_options(options, culprit):
    with pytest.raises(DeptError, match=culprit):
        LatePrompt(**dict(dict(embed_dims=8, layer=1, num_tokens=2),
                          **options))
