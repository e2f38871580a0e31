"""Write and read ``result.json``, the description and results of a run."""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from dept_mm.errors import DeptError
from dept_mm.utils.files import write_atomically

FILE = 'result.json'
HALVES = ('base', 'new')
FORMAT = 1


def write_result(folder: str | Path, content: Mapping, keep: bool = False,
                 beside: Mapping[str, bytes] | None = None) -> Path:
    """Write ``result.json`` into a folder.

    The file is replaced in one step, so it is never incomplete, and it comes
    last, so that it never lacks the files beside it.

    Args:
        folder (str | Path): The work dir of a run.
        content (Mapping): JSON types; ``docs/results.md`` lists the keys.
        keep (bool): Whether a result that is there stays, as that of another
            test which began in the same second. The new one is then written
            to ``FOLDER-2`` and so on. Defaults to False.
        beside (Mapping, optional): Name -> content of further files.

    Returns:
        Path: The path of the file.
    """
    text = json.dumps(dict(format=FORMAT, **content), indent=1)
    # One line per class: "identity": [correct, total]. No text has newlines.
    text = re.sub(r'\[\n *(\d+),\n *(\d+)\n *\]', r'[\1, \2]', text)
    path, number = Path(folder, FILE), 1
    while keep and path.exists():
        number += 1
        path = Path(f'{folder}-{number}', FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, data in (beside or {}).items():
        write_atomically(path.with_name(name), data)
    write_atomically(path, text.encode())
    return path


def read_result(path: str | Path) -> dict:
    """Read a ``result.json``.

    Args:
        path (str | Path): The file, or its folder.

    Raises:
        DeptError: If the file is missing or has another format.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DeptError(f'Result not found: {path}. A run writes it when it '
                        'ends (BaseNewTableHook).') from error
    except ValueError as error:
        raise DeptError(f'{path} is no result of a run ({error}).') from error
    version = found.get('format') if isinstance(found, dict) else None
    if version != FORMAT:
        raise DeptError(f'{path} has format {version!r}; this version of '
                        f'dept_mm reads {FORMAT}. Repeat the run.')
    return found


def find_results(folders: Iterable[str | Path]) -> dict[Path, dict]:
    """Read all results below some folders.

    Returns:
        dict[Path, dict]: The content of each ``result.json`` by its path.

    Raises:
        DeptError: If there is no result below a folder.
    """
    found = {}
    for folder in folders:
        paths = sorted(Path(folder).rglob(FILE))
        if not paths:
            raise DeptError(f'No {FILE} below {folder}.')
        found.update((path, read_result(path)) for path in paths)
    return found


def list_metrics(found: Mapping) -> dict[str, float]:
    """List what one row of a result says of a data set, in %.

    Args:
        found (Mapping): Has the ``metrics`` of a task, or counts by half.

    Returns:
        dict: The metrics by name, or the accuracies by half.
    """
    return dict(found.get('metrics') or {
        half: accuracy(found[half]) for half in HALVES
        if half in found})


def accuracy(half: Mapping | None) -> float | None:
    """Return the top-1 accuracy in % of one half, from its counts.

    Args:
        half (Mapping, optional): Has ``correct`` and ``total``.

    Returns:
        float, optional: The accuracy, or None if the half is missing.
    """
    return half and 100 * half['correct'] / half['total']
