"""Compare written answers with accepted ones as SQuAD does.

Rajpurkar et al., "SQuAD: 100,000+ questions for machine comprehension of text"
(2016), section 6.1; MRQA and ReCoRD are measured so, too.
"""
from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_NO_PUNCTUATION = str.maketrans('', '', string.punctuation)


def normalise(text: str) -> str:
    """Remove capitals, punctuation, articles and superfluous spaces."""
    text = text.lower().translate(_NO_PUNCTUATION)
    return ' '.join(re.sub(r'\b(a|an|the)\b', ' ', text).split())


def squad_em(answers: Sequence[str], guess: str) -> float:
    """Return 1 if a guess is one of the accepted answers, and 0 otherwise."""
    return float(normalise(guess) in map(normalise, answers))


def squad_f1(answers: Sequence[str], guess: str) -> float:
    """Return the largest F1 score of the words of a guess, over answers.

    ``F1 = 2 common / (words of the answer + words of the guess)``; it is 0 if
    no word is common.
    """
    words = normalise(guess).split()
    best = 0.
    for answer in answers:
        truth = normalise(answer).split()
        common = (Counter(words) & Counter(truth)).total()
        if common:
            best = max(best, 2 * common / (len(words) + len(truth)))
    return best
