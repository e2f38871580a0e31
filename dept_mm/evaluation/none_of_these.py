"""Scores that say whether an image shows a known class, and their quality.

Those of ``KNOWN_SCORES`` are functions of logits ``(N, C)`` before the
temperature. All are higher for images of known classes.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor


def score_concept_match(logits: Tensor, scale: float) -> Tensor:
    """Compute MCM, the highest softmax of the similarities.

    "Delving into Out-of-Distribution Detection with Vision-Language
    Representations" (Ming et al., NeurIPS 2022), with their temperature 1.

    Args:
        logits (Tensor): ``(N, C)``.
        scale (float): What similarities were multiplied by to get logits.
    """
    return (logits / scale).softmax(1).amax(1)


def score_logit(logits: Tensor, scale: float) -> Tensor:
    """Compute the highest logit ("Scaling Out-of-Distribution Detection for
    Real-World Settings", Hendrycks et al., ICML 2022).

    Args:
        logits (Tensor): ``(N, C)``.
        scale (float): Not used.
    """
    return logits.amax(1)


def score_energy(logits: Tensor, scale: float) -> Tensor:
    """Compute the negative energy, ``log sum exp`` of the logits
    ("Energy-based Out-of-distribution Detection", Liu et al., NeurIPS 2020).

    Args:
        logits (Tensor): ``(N, C)``.
        scale (float): Not used.
    """
    return logits.logsumexp(1)


def score_local_match(local: Tensor, scale: float) -> Tensor:
    """Compute what GL-MCM adds to MCM, the highest softmax of any patch.

    "GL-MCM: Global and Local Maximum Concept Matching for Zero-Shot
    Out-of-Distribution Detection" (Miyai et al., IJCV 2025), with which
    LoCoOp is measured, too; temperature 1.

    Args:
        local (Tensor): Logits of patches ``(N, P, C)``.
        scale (float): What similarities were multiplied by to get logits.
    """
    return (local / scale).softmax(2).amax((1, 2))


KNOWN_SCORES: dict[str, Callable[[Tensor, float], Tensor]] = dict(
    mcm=score_concept_match, max_logit=score_logit, energy=score_energy)


def measure_detection(known: np.ndarray, unknown: np.ndarray
                      ) -> dict[str, float]:
    """Measure how well a score separates known from unknown images.

    Args:
        known (np.ndarray): Scores of images of known classes, ``(N, )``.
        unknown (np.ndarray): Scores of other images, ``(M, )``.

    Returns:
        dict[str, float]: ``auroc``, the probability that a known image scores
        higher than an unknown one, where equal scores count half; and
        ``fpr95``, the share of unknown images that are taken for known where
        at least 95 % of the known ones are. Both are in [0, 1].
    """
    ordered = np.sort(unknown)
    below, up_to = (np.searchsorted(ordered, known, side)
                    for side in ('left', 'right'))
    # The highest threshold that 95 % of the known images reach.
    limit = np.sort(known)[::-1][int(np.ceil(.95 * len(known) - 1e-9)) - 1]
    return dict(
        auroc=float((below + up_to).mean() / (2 * len(ordered))),
        fpr95=float((ordered >= limit).mean()))
