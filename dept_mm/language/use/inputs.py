"""Find the texts that a user means."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dept_mm.errors import DeptError
from dept_mm.language.heads import TextHead
from dept_mm.language.layouts import LAYOUTS
from dept_mm.language.reading import get_column, read_file
from dept_mm.utils.files import read_lines

Given = str | Mapping[str, str]


def find_names(head: TextHead) -> list[str]:
    """List the texts that a head shows to its model."""
    return [name for name in head.task.columns if name in head.shown]


def gather_texts(given: Given | Sequence[Given], head: TextHead
                 ) -> list[dict[str, str]]:
    """Name the texts of each sample.

    Args:
        given (str | Mapping | Sequence): A text, where the head shows one; a
            dict of texts by name; or a list of either.
        head (TextHead): The head that will ask the model.

    Returns:
        list[dict]: Of each sample, the texts that the head shows, by name.

    Raises:
        DeptError: If a text is missing, blank or no text, a name is unknown,
            or there are no samples.
    """
    given = [given] if isinstance(given, (str, Mapping)) else list(given)
    if not given:
        raise DeptError('There are no texts: the list is empty.')
    return [_name_texts(one, head, i) for i, one in enumerate(given)]


def _name_texts(given: Given, head: TextHead, index: int) -> dict[str, str]:
    """Name the texts of one sample, and check them."""
    names, known = find_names(head), list(head.task.columns)
    where = f'Text {index + 1}'
    if isinstance(given, str):
        if len(names) != 1:
            raise DeptError(f'{where} is a single text, but the task asks '
                            f'about several: give a dict of {names}.')
        given = {names[0]: given}
    if not isinstance(given, Mapping):
        raise DeptError(f'{where} is of type {type(given).__name__}: give a '
                        f'text, or a dict of {names}.')
    unknown = [name for name in given if name not in known]
    missing = [name for name in names if name not in given]
    if unknown or missing:
        raise DeptError(
            f'{where}: ' + ' and '.join(
                f'{found} {what}' for found, what in (
                    (unknown, 'are unknown'), (missing, 'are missing'))
                if found) + f'; the names of the task are {known}.')
    texts = {name: given[name] for name in names}
    wrong = [name for name, text in texts.items()
             if not isinstance(text, str)]
    if wrong or not ''.join(texts.values()).strip():
        raise DeptError(f'{where}: ' + (f'{wrong} are no texts.' if wrong else
                                        'there is nothing in it.'))
    return {name: text.strip() for name, text in texts.items()}


def read_texts(path: str | Path, head: TextHead) -> list[dict[str, str]]:
    """Read the texts of a file.

    Args:
        path (str | Path): A ``.txt`` file with a text in each line, where
            the head shows one text, or a csv, tsv or JSON lines file with
            the columns of the task. Answers are not needed.
        head (TextHead): The head that will ask the model.

    Returns:
        list[dict]: As of ``gather_texts``.

    Raises:
        DeptError: If the file is missing or has another format, or a column
            is missing.
    """
    path = Path(path).expanduser()
    if path.suffix == '.txt':
        if not path.is_file():
            raise DeptError(f'{path}: there is no such file.')
        return gather_texts([line for line in read_lines(path)
                             if line.strip()], head)
    task = head.task
    rows = read_file(path, ())
    # As in the files of the task, the first line may be no header.
    if task.header and rows and not _has_columns(rows[0][1], head):
        rows = read_file(path, task.header)
    found = []
    for where, record in rows:
        for row in LAYOUTS[task.layout](record):
            if not _has_columns(row, head):
                needed = [task.columns[name] for name in find_names(head)]
                raise DeptError(f'{where}: the columns are {sorted(row)}; the '
                                f'task needs {needed}.')
            found.append({name: str(get_column(row, task.columns[name]))
                          for name in find_names(head)})
    return gather_texts(found, head)


def _has_columns(row: Mapping, head: TextHead) -> bool:
    """Whether a row has the columns of all texts that the head shows."""
    try:
        return None not in [get_column(row, head.task.columns[name])
                            for name in find_names(head)]
    except (KeyError, TypeError):
        return False
