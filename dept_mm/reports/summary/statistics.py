"""Mean, standard deviation and confidence interval over seeds."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

# What may stand behind a mean -> its name.
KINDS = dict(std='standard deviation', error='standard error',
             interval='95 % interval')


@dataclass(frozen=True)
class Spread:
    """The mean of a number over seeds, and how far the seeds differ.

    Attributes:
        mean (float): Mean over seeds.
        std (float, optional): Sample standard deviation; None for a single
            seed.
        half_width (float, optional): Half the width of the 95 % interval of
            the mean; None for a single seed.
        n (int): Number of seeds.
    """
    mean: float
    std: float | None = None
    half_width: float | None = None
    n: int = 1

    @classmethod
    def from_values(cls, values: Sequence[float]) -> Spread | None:
        """Compute the spread of one value per seed; None if there are none."""
        n = len(values)
        if n < 2:
            return cls(values[0]) if n else None
        std = stdev(values)
        half_width = compute_t_quantile(n - 1) * std / math.sqrt(n)
        return cls(mean(values), std, half_width, n)


    def around(self, kind: str = 'std') -> float | None:
        """Return how far the mean may be off; None for a single seed.

        Args:
            kind (str): 'std', 'error' (one standard error of the mean) or
                'interval' (half the width). Defaults to 'std'.
        """
        if self.std is None:
            return None
        return dict(std=self.std, error=self.std / math.sqrt(self.n),
                    interval=self.half_width)[kind]


def compute_wilson_interval(correct: int, total: int
                            ) -> tuple[float, float]:
    """Compute the 95 % score interval of an accuracy, in %.

    Wilson (1927); unlike the normal one, it stays within [0, 100] and is not
    empty where all answers are correct.

    Args:
        correct (int): Number of correct answers.
        total (int): Number of answers, 1 or more.
    """
    z2 = 1.959963984540054 ** 2 / total
    p = correct / total
    middle, half = p + z2 / 2, math.sqrt(z2 * (p * (1 - p) + z2 / 4))
    return (100 * max(0., middle - half) / (1 + z2),
            100 * min(1 + z2, middle + half) / (1 + z2))


def compute_t_quantile(df: int) -> float:
    """Compute the t with 95 % probability in [-t, t] under Student's
    distribution.

    The probability of [-t, t] is a finite sum in the angle ``atan(t /
    sqrt(df))`` (Abramowitz and Stegun, 26.7.3 and 26.7.4), which is inverted
    by bisection.

    Args:
        df (int): Degrees of freedom, 1 or more.
    """
    low, high = 0., math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        if _compute_probability(angle, df) < .95:
            low = angle
        else:
            high = angle
    return math.tan(low) * math.sqrt(df)


def _compute_probability(angle: float, df: int) -> float:
    """Compute the probability of ``abs(t) < sqrt(df) tan(angle)``."""
    cos = math.cos(angle)
    odd = df % 2
    term = cos if odd else 1.
    total = term if df > 1 else 0.
    for k in range(2 + odd, df - 1, 2):
        term *= cos * cos * (k - 1) / k
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
