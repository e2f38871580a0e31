"""Predictions as lines of a terminal, and as rows of a file."""
from __future__ import annotations

import csv
import json
from pathlib import Path

from dept_mm.apis import Prediction, Unreadable
from dept_mm.errors import DeptError

NONE = 'none of these'
FORMATS = ('.csv', '.json', '.jsonl')


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


class PredictionFile:
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
        self.path, self.k, self.sets = Path(path), k, sets
        self.kind = self.path.suffix.lower()
        if self.kind not in FORMATS:
            raise DeptError(f'{path}: the name of the file must end in one of '
                            f'{", ".join(FORMATS)}.')
        self._rows = 0

    def __enter__(self) -> PredictionFile:
        try:
            self._file = open(self.path, 'w', encoding='utf-8', newline='')
        except OSError as error:
            raise DeptError(f'{self.path} cannot be written: {error}'
                            ) from error
        if self.kind == '.csv':
            columns = [f'{what}_{i + 1}' for i in range(self.k)
                       for what in ('class', 'probability')]
            self._csv = csv.writer(self._file)
            self._csv.writerow(['image', 'prediction', *['set'] * self.sets,
                                *columns, 'error'])
        elif self.kind == '.json':
            self._file.write('[')
        return self

    def __exit__(self, *_) -> None:
        if self.kind == '.json':
            self._file.write('\n]\n')
        self._file.close()

    def add(self, found: Prediction | Unreadable) -> None:
        """Write the row of an image."""
        row = _to_row(found)
        if self.kind == '.csv':
            cells = [cell for score in row['classes'][:self.k]
                     for cell in score.values()]
            cells += [''] * (2 * self.k - len(cells))
            members = ['; '.join(row.get('set', ()))] * self.sets
            self._csv.writerow([row['image'], row['prediction'], *members,
                                *cells, row['error']])
            return
        text = json.dumps(row, ensure_ascii=False)
        if self.kind == '.json':
            self._file.write((',' if self._rows else '') + '\n' + text)
        else:
            self._file.write(text + '\n')
        self._rows += 1


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
