"""Mean, spread and interval over seeds."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev


@dataclass(frozen=True)
class Spread:
    """What seeds say about a number.

    Attributes:
        mean (float): Their mean.
        std (float, optional): Sample standard deviation; of two or more.
        half_width (float, optional): Of the 95 % interval of the mean.
        n (int): How many.
    """
    mean: float
    std: float | None = None
    half_width: float | None = None
    n: int = 1

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Of the values of the seeds; None of none."""
        n = len(values)
        if n < 2:
            return cls(values[0]) if n else None
        std = stdev(values)
        return cls(mean(values), std, t_quantile(n - 1) * std / math.sqrt(n),
                   n)


def t_quantile(df: int, level: float = .95) -> float:
    """Two-sided quantile of Student's t for whole degrees of freedom.

    The probability of [-t, t] is a finite sum in the angle
    ``atan(t / sqrt(df))`` (Abramowitz and Stegun, 26.7.3 and 26.7.4), which
    is inverted by bisection.
    """
    low, high = 0., math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        if _inside(angle, df) < level:
            low = angle
        else:
            high = angle
    return math.tan(low) * math.sqrt(df)


def _inside(angle: float, df: int) -> float:
    """Probability of an absolute t below ``sqrt(df) tan(angle)``."""
    cos = math.cos(angle)
    odd = df % 2
    term = cos if odd else 1.
    total = term if df > 1 else 0.
    for k in range(2 + odd, df - 1, 2):
        term *= cos * cos * (k - 1) / k
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
