"""How many errors are left when only confident predictions are used."""
from __future__ import annotations

import numpy as np


def risk_at_coverage(confidence: np.ndarray, correct: np.ndarray
                     ) -> tuple[np.ndarray, np.ndarray]:
    """Compute the risk of using the most confident predictions alone.

    Predictions of equal confidence count with their mean error, since they
    have no order.

    Args:
        confidence (np.ndarray): Probability of the predicted class, ``(N, )``.
        correct (np.ndarray): Whether it is the true class, ``(N, )``.

    Returns:
        tuple[np.ndarray]: Coverage, the share of predictions that is used,
        from 1 / N to 1, and risk, the share of errors among these; ``(N, )``.
    """
    _, group = np.unique(-np.asarray(confidence, float), return_inverse=True)
    wrong = 1. - np.asarray(correct, float)
    error = np.bincount(group, wrong) / np.bincount(group)
    used = np.arange(1, len(wrong) + 1)
    return used / len(wrong), np.cumsum(error[np.sort(group)]) / used


def area_under_risk(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return AURC, the mean risk over all coverages, in [0, 1].

    It is low if a model is accurate and less confident where it errs
    ("Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers",
    Geifman et al., ICLR 2019).

    Args:
        confidence (np.ndarray): Probability of the predicted class, ``(N, )``.
        correct (np.ndarray): Whether it is the true class, ``(N, )``.
    """
    return float(risk_at_coverage(confidence, correct)[1].mean())
