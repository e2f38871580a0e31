"""Make class names that are as long as ImageNet's."""
from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

# How many out of 1,000 names have 1, 2, ... 11 tokens. With '.' and
# end-of-text the mean is 4.2 and the longest 13, as in CLIP's list of
# ImageNet's classes.
SPREAD = (300, 400, 180, 72, 25, 12, 5, 3, 1, 1, 1)


def class_names(tokenizer, count: int) -> list[str]:
    """Make names of words that are one token each, always the same ones.

    Args:
        tokenizer: open_clip's tokenizer.
        count (int): How many; their lengths are evenly spaced quantiles of
            ``SPREAD``.
    """
    words = _words(tokenizer, count + len(SPREAD))
    sums = list(accumulate(SPREAD))
    lengths = [1 + bisect_right(sums, (2 * i + 1) * sums[-1] // (2 * count))
               for i in range(count)]
    # No two names begin with the same word.
    return [' '.join(words[i:i + n]) for i, n in enumerate(lengths)]


def _words(tokenizer, count: int) -> list[str]:
    """The first words of a vocabulary that stay one token."""
    found = []
    for token in tokenizer.encoder:
        word = token.removesuffix('</w>')
        if (word != token and len(word) > 3 and word.isascii()
                and word.isalpha() and len(tokenizer.encode(word)) == 1):
            found.append(word)
        if len(found) == count:
            break
    return found
