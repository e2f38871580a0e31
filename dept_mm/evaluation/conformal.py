"""Sets of classes that contain the true one as often as was asked for.

Split conformal prediction scores how strange the true class of each validation
image looks. A class joins the set of an image if it does not look stranger
than a quantile of these scores. If the image could as well have been one of
the validation images (*exchangeability*), then the set contains its class with
at least the probability that the quantile was chosen for, however wrong the
model is. This says nothing of images of other classes.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from dept_mm.errors import DeptError

MOST = 199  # scores that are kept of a validation set
DIGITS = 1e6
LEAST = 1e-38  # a smaller probability may be lost in fp32


def score_by_mass(probabilities: Tensor) -> Tensor:
    """Score a class by how much is likelier: adaptive prediction sets, APS.

    "Classification with Valid and Adaptive Coverage" (Romano et al., NeurIPS
    2020), without the random part (``u = 1``): the answer to an image is
    always the same, and no set is empty. The score is -log of the mass of
    this and all less likely classes, which orders classes like the mass of
    the likelier ones and is precise where that is almost 1.

    Args:
        probabilities (Tensor): ``(N, C)``, each row in descending order.

    Returns:
        Tensor: Scores ``(N, C)``, fp64, which ascend in each row.
    """
    rest = probabilities.double().flip(1).cumsum(1).flip(1)
    return -rest.clamp(LEAST, 1).log()


def score_by_probability(probabilities: Tensor) -> Tensor:
    """Score a class by -log of its probability: least ambiguous sets, LAC.

    They are the smallest on average ("Least Ambiguous Set-Valued Classifiers
    with Bounded Error Levels", Sadinle et al., JASA 2019).

    Args:
        probabilities (Tensor): ``(N, C)``, each row in descending order.

    Returns:
        Tensor: Scores ``(N, C)``, fp64, which ascend in each row.
    """
    return -probabilities.double().clamp(LEAST, 1).log()


SET_SCORES: dict[str, Callable[[Tensor], Tensor]] = dict(
    aps=score_by_mass, lac=score_by_probability)


def score_labels(probabilities: Tensor, labels: Tensor, kind: str) -> Tensor:
    """Score the true classes of images, ``(N, )``.

    Args:
        probabilities (Tensor): ``(N, C)``, in the order of the classes.
        labels (Tensor): ``(N, )``.
        kind (str): A key of ``SET_SCORES``.
    """
    values, order = probabilities.sort(dim=1, descending=True, stable=True)
    rank = (order == labels[:, None]).int().argmax(1, keepdim=True)
    return SET_SCORES[kind](values).gather(1, rank)[:, 0]


def count_members(probabilities: Tensor, kind: str, limit: float) -> Tensor:
    """Count the classes in the set of each image: the likeliest ones.

    Args:
        probabilities (Tensor): ``(N, C)``, each row in descending order.
        kind (str): A key of ``SET_SCORES``.
        limit (float): From ``find_limit``.

    Returns:
        Tensor: ``(N, )``; at least 1, which can only raise the coverage.
    """
    return (SET_SCORES[kind](probabilities) <= limit).sum(1).clamp_min(1)


def keep_scores(scores: Tensor) -> list[float]:
    """Choose the scores of validation images that an adapter keeps.

    If there are many scores, 199 at equal distances are kept, and all are
    rounded up, which can only raise the coverage.

    Args:
        scores (Tensor): ``(N, )``.

    Returns:
        list[float]: In ascending order.
    """
    total = len(scores)
    kept = min(total, MOST)
    ordered = scores.double().sort().values.tolist()
    # The k-th of all N is the quantile of k / (N + 1).
    ranks = (-(-(total + 1) * (i + 1) // (kept + 1)) for i in range(kept))
    return [math.ceil(ordered[rank - 1] * DIGITS) / DIGITS for rank in ranks]


def find_limit(kept: Sequence[float], share: float) -> float:
    """Find what the score of a new image does not exceed with a probability.

    Args:
        kept (Sequence[float]): From ``keep_scores``.
        share (float): The probability, between 0 and 1.

    Raises:
        DeptError: If the share is out of range, or too high for the number of
            validation images.
    """
    if not 0 < share < 1:
        raise DeptError(f'A share of images is {share}; it must be between 0 '
                        'and 1.')
    rank = math.ceil((len(kept) + 1) * share - 1e-9)
    if rank > len(kept):
        raise DeptError(
            f'{len(kept)} scores of validation images allow no share above '
            f'{len(kept) / (len(kept) + 1):.3f}, and {share} was asked for. '
            f'At most {MOST} are kept; calibrate with more images if there '
            'are fewer.')
    return kept[rank - 1]
