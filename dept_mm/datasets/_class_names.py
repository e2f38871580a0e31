"""Labels for data sets whose files name classes instead of numbering them."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dept_mm.errors import DeptError
from dept_mm.utils.files import read_lines


def order_classes(found: Iterable[str], metainfo: Mapping,
                  source: str) -> tuple[dict[str, int], list[str]]:
    """Give every class that was found its label.

    Without a class list, labels follow the sorted names. With one, labels
    follow the list, and every class that was found must stand in it.

    Args:
        found (Iterable[str]): Classes as the files write them.
        metainfo (Mapping): May hold ``classes`` and, where the files write
            identities and not names (ImageNet's folders), ``class_ids``.
        source (str): The file or folder, for messages.

    Returns:
        tuple[dict[str, int], list[str]]: The label of every class, and the
        class names in label order.
    """
    found = set(found)
    ids = list(metainfo.get('class_ids') or metainfo.get('classes') or
               sorted(found))
    strangers = sorted(found - set(ids))
    if strangers:
        raise DeptError(f'{source}: not in the list of classes given in the '
                        f'config: {strangers}.')
    names = list(metainfo.get('classes') or ids)
    return {key: label for label, key in enumerate(ids)}, names


def read_class_file(path: str) -> dict[str, str]:
    """Identity -> class name, of a file such as ImageNet's classnames.txt.

    Args:
        path (str): A text file with lines ``IDENTITY CLASS NAME``.
    """
    names: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line:
            continue
        key, _, name = line.partition(' ')
        if not name.strip():
            raise DeptError(f'{path}, line {number}: {line!r} is not an '
                            'identity, a space and a class name.')
        if key in names:
            raise DeptError(f'{path}, line {number}: {key!r} is there twice.')
        names[key] = name.strip()
    return names


def base_of(ids: tuple[str, ...],
            base_classes: str | Sequence[str]) -> tuple[str, ...]:
    """Identities of the base classes."""
    if not isinstance(base_classes, str):
        return tuple(base_classes)
    if base_classes == 'all':
        return ids
    if base_classes == 'half':
        return ids[:-(-len(ids) // 2)]
    raise DeptError(f"base_classes={base_classes!r} is unknown: write 'half', "
                    "'all' or a list of classes.")
