"""What a tuned language model says about a text."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmpretrain.structures import DataSample


@dataclass(frozen=True)
class TextPrediction:
    """The answer of a task to one or several texts.

    Attributes:
        texts (Mapping): The texts by name.
        answer (str | float | None): The likeliest class, a value in
            regression, or the written text. None if the decoder was to
            write a class and wrote something else.
        classes (tuple[str]): Names of the likeliest classes, the likeliest
            first; empty if there are no classes, or the decoder writes.
        probabilities (tuple[float]): Their probabilities.
    """
    texts: Mapping[str, str]
    answer: str | float | None
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()


def read_sample(texts: Mapping[str, str], sample: DataSample,
                classes: Sequence[str], k: int) -> TextPrediction:
    """Read what a head has written into a sample.

    Args:
        texts (Mapping): The texts by name.
        sample (DataSample): The sample.
        classes (Sequence[str]): Names of all classes; may be empty.
        k (int): How many classes are named.
    """
    if not classes:
        found: Any = sample.get('pred_text', sample.get('pred_value'))
        return TextPrediction(texts, found)
    if 'pred_score' not in sample:
        label = int(sample.pred_label)
        return TextPrediction(texts, None if label < 0 else classes[label])
    values, order = sample.pred_score.cpu().sort(descending=True, stable=True)
    names = tuple(classes[i] for i in order[:k].tolist())
    return TextPrediction(texts, names[0], names, tuple(values[:k].tolist()))
