"""Assign labels to classes that the files of a data set know by name."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dept_mm.errors import DeptError
from dept_mm.utils.files import read_lines


def order_classes(found: Iterable[str], metainfo: Mapping,
                  source: str) -> tuple[dict[str, int], list[str]]:
    """Assign a label to every class that was found in the files.

    Without a class list in the metainfo, labels follow the sorted names.
    With one, labels follow the list, and every class that was found must be
    in it.

    Args:
        found (Iterable[str]): Classes, spelled as in the files.
        metainfo (Mapping): May hold ``classes`` and, where the files contain
            identities instead of names (ImageNet's folders), ``class_ids``.
        source (str): The file or folder, for error messages.

    Returns:
        tuple[dict[str, int], list[str]]: The label of every class, and the
        class names in label order.

    Raises:
        DeptError: If a class was found that is not in the list.
    """
    found = set(found)
    ids = list(metainfo.get('class_ids') or metainfo.get('classes') or
               sorted(found))
    unknown = sorted(found - set(ids))
    if unknown:
        raise DeptError(f'{source} contains classes that are not in the class '
                        f'list of the config: {unknown}.')
    names = list(metainfo.get('classes') or ids)
    return {key: label for label, key in enumerate(ids)}, names


def read_class_file(path: str) -> dict[str, str]:
    """Read a file of class names, such as ImageNet's ``classnames.txt``.

    Args:
        path (str): A text file with lines ``IDENTITY CLASS NAME``.

    Returns:
        dict[str, str]: The class name of each identity.

    Raises:
        DeptError: If a line has no class name, or an identity occurs twice.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line:
            continue
        key, _, name = line.partition(' ')
        if not name.strip():
            raise DeptError(f'{path}, line {number}: {line!r} is not an '
                            'identity followed by a space and a class name.')
        if key in names:
            raise DeptError(f'{path}, line {number}: {key!r} occurs twice.')
        names[key] = name.strip()
    return names


def read_names(path: str | Path) -> list[str]:
    """Read class names: a list in a JSON file, or else one a line.

    Raises:
        DeptError: If the file is missing or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise DeptError(f'Class names: file not found: {path.absolute()}.')
    if path.suffix != '.json':
        return [line for line in read_lines(path) if line]
    try:
        return list(map(str, json.loads(path.read_text('utf-8'))))
    except (ValueError, TypeError) as error:
        raise DeptError(f'{path} holds no list in JSON: {error}.') from error


def select_base_classes(ids: tuple[str, ...],
                        base_classes: str | Sequence[str]) -> tuple[str, ...]:
    """Select the identities of the base classes.

    Args:
        ids (tuple[str]): Identities of all classes, in label order.
        base_classes (str | Sequence[str]): 'half' (the first half, the
            larger one if the number is odd), 'all', or a list of identities.

    Raises:
        DeptError: If the word is neither 'half' nor 'all'.
    """
    if not isinstance(base_classes, str):
        return tuple(base_classes)
    if base_classes == 'all':
        return ids
    if base_classes == 'half':
        return ids[:-(-len(ids) // 2)]
    raise DeptError(f"base_classes={base_classes!r} is unknown: write 'half', "
                    "'all' or a list of classes.")
