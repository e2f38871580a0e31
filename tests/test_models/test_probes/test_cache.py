"""Probes with a cache: the search, and classes with fewer images."""
import pytest
import torch

from dept_mm.models.probes.cache import count_right_in_grid
from dept_mm.registry import MODELS


def test_the_search_counts_what_each_point_classifies_correctly():
    """Point by point, as the definition says; one key is an empty slot."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.rand(*shape, generator=random, dtype=torch.float64)

    s, distance, votes = 8 * draw(40, 5), -draw(3, 40, 5), draw(3, 2, 5)
    s[:, 4] = s[:, 3]  # the votes alone tell these two apart
    votes[2, :, 1] = 0
    target = torch.arange(40) % 5
    alphas, betas = torch.linspace(.1, 6, 7), torch.linspace(.1, 7, 25)
    found = count_right_in_grid(s, distance, votes, target, alphas, betas)
    assert found.shape == (25, 7, 2) and found.unique().numel() > 5
    for i, beta in enumerate(betas):
        near = (beta * distance).exp()
        for j, alpha in enumerate(alphas):
            for k in range(2):
                bonus = (near * votes[:, None, k]).sum(0)
                right = (s + alpha * bonus).argmax(1) == target
                assert found[i, j, k] == right.sum()


def test_votes_may_become_negative(clip, vocabulary):
    """The logits are those of the formula, key by key."""
    probe = MODELS.build(dict(type='APET', clip=clip, num_shots=2,
                              vocabulary=vocabulary))
    draw = torch.Generator().manual_seed(0)
    probe.keys.normal_(generator=draw)
    probe.votes.normal_(generator=draw)
    assert (probe.votes < 0).any()
    image = torch.randn(4, 16, generator=draw)
    found = probe.score(image, torch.zeros(2, 16), [2, 0], torch.tensor(1.))
    for b, x in enumerate(image):
        for column, row in enumerate((2, 0)):
            expected = 2 * sum(
                v * (k @ x - 1).exp()
                for k, v in zip(probe.keys[row], probe.votes[row],
                                strict=True))
            torch.testing.assert_close(found[b, column], expected)


@pytest.mark.parametrize('name', ['APE', 'APET'])
def test_empty_slots_have_no_votes(name, clip, vocabulary):
    probe = MODELS.build(dict(type=name, clip=clip, num_shots=4,
                              vocabulary=vocabulary))
    labels = torch.tensor([1, 0, 2, 1, 1, 0])
    probe.fit(torch.randn(6, 16), labels, torch.randn(3, 16))
    for row, count in enumerate((2, 3, 1)):
        assert (probe.votes[row, :count] > 0).all()
        assert not probe.votes[row, count:].any()
        assert not probe.keys[row, count:].any()
