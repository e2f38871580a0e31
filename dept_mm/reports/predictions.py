"""Predictions as lines of a terminal, and as rows of a file."""
from __future__ import annotations

from pathlib import Path

from dept_mm.apis import Prediction, Unreadable
from dept_mm.reports.row_file import (
    RowFile,
    list_score_cells,
    name_score_columns,
)

NONE = 'none of these'


def format_prediction(found: Prediction, path: int, name: int) -> str:
    """Format a prediction as a line, with the set of classes if it has one.

    Args:
        found (Prediction): Of an image file.
        path, name (int): Characters in the columns of paths and of classes.
    """
    scores = ''.join(
        f'  {known:<{name}} {100 * value:5.1f} %' for known, value
        in zip(found.set or found.classes, found.probabilities,
               strict=found.set is None))
    none = f'  {NONE}:' if found.name is None else ''
    return f'{found.image:<{path}}{none}{scores}'


class PredictionFile(RowFile):
    """A file that gets a row of each image, as soon as it is known.

    ========== ===========================================================
    ``.csv``   the columns image, prediction, class_1, probability_1, ...,
               error
    ``.json``  a list of objects with image, prediction, classes (a list of
               objects with name and probability) and error
    ``.jsonl`` such an object in each line
    ========== ===========================================================

    ``prediction`` is 'none of these' below the threshold, and ``error`` says
    why an image could not be read. With a coverage there is also ``set``, the
    names of the classes that the image may show, joined by ``; `` in a csv
    file.

    Args:
        path (str | Path): The file, whose ending chooses the format.
        k (int): Number of classes in the columns of a csv file.
        sets (bool): Whether it has the column ``set``. Defaults to False.

    Raises:
        DeptError: If the ending is another, or the file cannot be written.
    """

    def __init__(self, path: str | Path, k: int, sets: bool = False
                 ) -> None:
        self.k, self.sets = k, sets
        super().__init__(path, ['image', 'prediction', *['set'] * sets,
                                *name_score_columns(k), 'error'])

    def add(self, found: Prediction | Unreadable) -> None:
        """Write the row of an image."""
        row = _to_row(found)
        members = ['; '.join(row.get('set', ()))] * self.sets
        self.write(row, [row['image'], row['prediction'], *members,
                         *list_score_cells(row['classes'], self.k),
                         row['error']])


def _to_row(found: Prediction | Unreadable) -> dict:
    """Return what a file says of an image, in JSON types."""
    if isinstance(found, Unreadable):
        return dict(image=found.image, prediction=None, classes=[],
                    error=found.reason)
    members = {} if found.set is None else dict(set=list(found.set))
    return dict(
        image=found.image,
        prediction=NONE if found.name is None else found.name,
        classes=[dict(name=name, probability=value) for name, value
                 in zip(found.classes, found.probabilities, strict=True)],
        error=None, **members)
