"""Answers to texts as lines of a terminal, and as rows of a file."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dept_mm.reports.row_file import (
    RowFile,
    list_score_cells,
    name_score_columns,
)

if TYPE_CHECKING:
    from dept_mm.language.use import TextPrediction

NO_CLASS = 'none of the classes'


def format_text_prediction(found: TextPrediction, width: int) -> str:
    """Format an answer as a line.

    Args:
        found (TextPrediction): The answer.
        width (int): Characters of each text.
    """
    shown = ' | '.join(f'{_cut(text, width):<{width}}'
                       for text in found.texts.values())
    if not found.classes:
        answer = NO_CLASS if found.answer is None else found.answer
        return f'{shown}  {answer}'
    return shown + ''.join(
        f'  {name} {100 * value:5.1f} %' for name, value
        in zip(found.classes, found.probabilities, strict=True))


def _cut(text: str, width: int) -> str:
    """Return a text in one line of at most so many characters."""
    text = ' '.join(text.split())
    return text if len(text) <= width else text[:width - 3] + '...'


class TextPredictionFile(RowFile):
    """A file that gets a row of each sample, as soon as it is known.

    ========== ===========================================================
    ``.csv``   a column for each text of the task, prediction, class_1,
               probability_1, ...
    ``.json``  a list of objects with texts (an object), prediction, and
               classes (a list of objects with name and probability)
    ``.jsonl`` such an object in each line
    ========== ===========================================================

    Args:
        path (str | Path): The file, whose ending chooses the format.
        names (Sequence[str]): Names of the texts.
        k (int): Number of classes in the columns of a csv file.
    """

    def __init__(self, path: str | Path, names: Sequence[str], k: int
                 ) -> None:
        self.k = k
        super().__init__(path, [*names, 'prediction', *name_score_columns(k)])

    def add(self, found: TextPrediction) -> None:
        """Write the row of a sample."""
        classes = [dict(name=name, probability=value) for name, value in zip(
            found.classes, found.probabilities, strict=True)]
        self.write(
            dict(texts=dict(found.texts), prediction=found.answer,
                 classes=classes),
            [*found.texts.values(), found.answer,
             *list_score_cells(classes, self.k)])
