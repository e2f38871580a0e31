"""Suffixes in groups of about equal length."""
import pytest
import torch

from dept_mm.models.clip.text_groups import (
    MIN_SAVED,
    LengthGroups,
    choose_lengths,
)

LENGTHS = dict(one=[3], equal=[4] * 6, few=[2, 9, 5, 2],
               many=[3, 40, 3, 4, 77, 3, 5, 40, 2, 3] * 20)


@pytest.fixture(params=LENGTHS)
def lengths(request):
    return torch.tensor(LENGTHS[request.param])


def test_nothing_is_lost(lengths):
    """Tokens and rows come back to their places, and none twice."""
    starts = lengths.cumsum(0) - lengths
    groups = LengthGroups(lengths, starts)
    x = torch.randn(2, int(lengths.sum()), 3)
    padded = groups.pad(x)
    torch.testing.assert_close(groups.pack(padded), x, rtol=0, atol=0)
    rows = torch.arange(len(lengths)).float()[:, None]
    divided = groups.divide(rows)
    torch.testing.assert_close(groups.join(divided), rows, rtol=0, atol=0)
    for part, members, group in zip(padded, divided, groups.groups,
                                    strict=True):
        assert part.shape == (2, *group.real.shape, 3)
        for row, real, i in zip(part.unbind(1), group.real,
                                members[:, 0].int().tolist(), strict=True):
            own = x[:, starts[i]:starts[i] + lengths[i]]
            torch.testing.assert_close(row[:, real], own, rtol=0, atol=0)


def test_groups_save_padding():
    """Compared with all ways to cut the sorted lengths."""
    lengths = torch.tensor(LENGTHS['many'])
    found = lengths.unique().tolist()

    def cost(bounds):
        each = torch.tensor(bounds)[torch.bucketize(
            lengths, torch.tensor(bounds))]
        return int(each.sum()) + MIN_SAVED * len(bounds)

    ways = [[b for i, b in enumerate(found[:-1]) if mask >> i & 1]
            + found[-1:] for mask in range(2**(len(found) - 1))]
    best = choose_lengths(lengths)
    assert cost(best) == min(map(cost, ways))
    assert 1 < len(best) < len(found)
    assert choose_lengths(torch.tensor([2, 9, 5, 2])) == [9]
