"""How far the confidences of a classifier can be trusted.

The confidence of a prediction is the probability of the predicted class. It is
calibrated if, among all predictions with confidence 0.8, 80 % are correct.
"""
from __future__ import annotations

import numpy as np

from dept_mm.evaluation.selective import area_under_risk

BINS = 15


def reliability_bins(confidence: np.ndarray, correct: np.ndarray,
                     bins: int = BINS) -> tuple[np.ndarray, ...]:
    """Sort predictions into bins of equal width by their confidence.

    Args:
        confidence (np.ndarray): Probability of the predicted class, ``(N, )``.
        correct (np.ndarray): Whether it is the true class, ``(N, )``.
        bins (int): Number of bins. Defaults to 15.

    Returns:
        tuple[np.ndarray]: Mean confidence, accuracy and number of predictions
        of each bin that is not empty.
    """
    # A bin contains its upper edge, as in Guo et al. (2017).
    index = np.ceil(np.asarray(confidence, float) * bins).astype(int) - 1
    index = index.clip(0, bins - 1)
    count = np.bincount(index, minlength=bins)
    used = count > 0
    mean, accuracy = (
        np.bincount(index, values, minlength=bins)[used] / count[used]
        for values in (confidence, correct))
    return mean, accuracy, count[used]


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray,
                               bins: int = BINS) -> float:
    """Return the mean distance between confidence and accuracy, in [0, 1].

    The mean is over bins of equal width, weighted by their predictions ("On
    Calibration of Modern Neural Networks", Guo et al., ICML 2017).

    Args:
        confidence (np.ndarray): Probability of the predicted class, ``(N, )``.
        correct (np.ndarray): Whether it is the true class, ``(N, )``.
        bins (int): Number of bins. Defaults to 15.
    """
    mean, accuracy, count = reliability_bins(confidence, correct, bins)
    return float(np.average(np.abs(mean - accuracy), weights=count))


def adaptive_calibration_error(confidence: np.ndarray, correct: np.ndarray,
                               bins: int = BINS) -> float:
    """Return the calibration error over bins of equally many predictions.

    Bins of equal width are mostly empty where a model is confident; these are
    not ("Posterior calibration and exploratory analysis for natural language
    processing models", Nguyen and O'Connor, EMNLP 2015).

    Args:
        confidence (np.ndarray): Probability of the predicted class, ``(N, )``.
        correct (np.ndarray): Whether it is the true class, ``(N, )``.
        bins (int): Number of bins. Defaults to 15.
    """
    order = np.argsort(confidence, kind='stable')
    gap = (np.asarray(confidence, float) - correct)[order]
    return float(sum(abs(part.sum()) for part in np.array_split(gap, bins))
                 / len(gap))


def measure_calibration(found: np.ndarray) -> dict[str, float]:
    """Measure the probabilities of predictions.

    Args:
        found (np.ndarray): Records of ``predictions.RECORD``, ``(N, )``.

    Returns:
        dict[str, float]: ``nll``, the mean of ``-log p`` of the true class;
        ``brier``, the mean of the squared distance to the one-hot truth, in
        [0, 2]; ``ece``, ``adaptive_ece`` and ``aurc``, the area under the
        curve of risk over coverage, in [0, 1].
    """
    confidence = found['probability'][:, 0]
    correct = found['top'][:, 0] == found['label']
    log_true = found['log_true'].astype(float)
    # sum_c (p_c - [c = y])^2 = sum_c p_c^2 - 2 p_y + 1
    brier = found['squares'] - 2 * np.exp(log_true) + 1
    return dict(
        nll=float(-log_true.mean()), brier=float(brier.mean()),
        ece=expected_calibration_error(confidence, correct),
        adaptive_ece=adaptive_calibration_error(confidence, correct),
        aurc=area_under_risk(confidence, correct))

