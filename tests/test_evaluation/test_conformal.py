"""Sets of classes that contain the true one as often as was asked for."""
import math

import pytest
import torch

from dept_mm.errors import DeptError
from dept_mm.evaluation.conformal import (
    count_members,
    find_limit,
    keep_scores,
    score_labels,
)

PROB = torch.tensor([[.5, .3, .2], [.1, .7, .2], [.2, .2, .6]])


def test_three_images_by_hand():
    """Their classes are the second, third and first likeliest. The mass of
    those and all less likely classes is 0.5, 0.1 and 1."""
    labels = torch.tensor([1, 0, 2])
    kept = keep_scores(score_labels(PROB, labels, 'aps'))
    assert kept == pytest.approx(
        [0, -math.log(.5), -math.log(.1)], abs=2e-6)
    assert keep_scores(score_labels(PROB, labels, 'lac')) == pytest.approx(
        [-math.log(p) for p in (.6, .3, .1)], abs=2e-6)
    # Half of four possible ranks is the second.
    assert find_limit(kept, .5) == kept[1] and find_limit(kept, .51) == kept[2]
    rows = torch.tensor([[.45, .35, .2], [.9, .06, .04], [.4, .3, .3]])
    assert count_members(rows, 'aps', kept[1]).tolist() == [2, 1, 2]
    limit = -math.log(.3) + 1e-6
    assert count_members(rows, 'lac', limit).tolist() == [2, 1, 3]
    # No class is as likely as that; the likeliest is named all the same.
    assert count_members(rows, 'lac', .1).tolist() == [1, 1, 1]


@pytest.mark.parametrize('kind', ['aps', 'lac'])
@pytest.mark.parametrize('images', [49, 999])
@pytest.mark.parametrize('noise', [1., 8.])
def test_the_true_class_is_among_them(kind, images, noise):
    """Fitted many times, on exchangeable images, whatever the probabilities
    are worth: 9 of 10 sets contain the true class, and the excess is small
    where scores have no ties."""
    draw = torch.Generator().manual_seed(3)
    truth = 3 * torch.randn(40000, 8, generator=draw)
    labels = truth.softmax(1).multinomial(1, generator=draw)[:, 0]
    shown = (truth + noise * torch.randn(40000, 8, generator=draw)).softmax(1)
    scores = score_labels(shown, labels, kind)
    ordered = shown.sort(1, descending=True).values
    covered = []
    for part in range(0, 40000, 2 * images):
        mine = slice(part, part + images)
        new = slice(part + images, part + 2 * images)
        limit = find_limit(keep_scores(scores[mine]), .9)
        covered.append((scores[new] <= limit).double())
        # The set holds the class exactly if its score allows it.
        rank = (shown[new] > shown[new].gather(1, labels[new, None])).sum(1)
        held = rank < count_members(ordered[new], kind, limit)
        assert (held >= covered[-1].bool()).all()
    share = torch.cat(covered).mean().item()
    assert .9 - .008 < share < .9 + .02


def test_many_scores_are_thinned_upwards():
    scores = torch.rand(5000, generator=torch.Generator().manual_seed(1))
    kept = keep_scores(scores)
    assert len(kept) == 199
    for share in (.5, .9, .95, .99):
        full = scores.sort().values[int(5001 * share)].item()
        assert full <= find_limit(kept, share) < full + .006
    assert keep_scores(scores[:7]) == pytest.approx(
        scores[:7].sort().values.tolist(), abs=1e-6)


def test_more_than_the_images_can_say():
    kept = keep_scores(torch.rand(9))
    assert find_limit(kept, .9) == kept[-1]
    with pytest.raises(DeptError, match='9 scores .* above 0.900, and 0.95'):
        find_limit(kept, .95)
    for share in (0, 1, 90):
        with pytest.raises(DeptError, match='between 0 and 1'):
            find_limit(kept, share)
