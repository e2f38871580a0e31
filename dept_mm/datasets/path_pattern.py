"""Read data sets whose image paths contain the class."""
from __future__ import annotations

import os
import os.path as osp
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS
from dept_mm.utils.files import read_lines

from .few_shot import SPLITS, FewShotDataset
from .folder import is_image
from .splits import Item, Splits, split_by_class


@DATASETS.register_module()
class PathPatternDataset(FewShotDataset):
    r"""A data set in which a regular expression finds the class of an image.

    Without ``lists``, the pattern must match the path of an image below
    ``data_prefix`` (written with '/' on every system); other images are
    ignored, and :func:`dept_mm.datasets.splits.split_by_class` splits the
    rest. With ``lists``, the pattern must match every line of these text
    files. The group ``label`` of the pattern is the *raw class*, and labels
    follow the sorted raw classes. ``substitute`` and then ``rename`` turn a
    raw class into the class name.

    Args:
        pattern (str): Regular expression for the whole path or line.
        lists (Mapping, optional): The text file of each split, below
            ``data_root``. A split without a file is empty.
        path (str): Path of an image below ``data_prefix``, as a format
            string with the groups of the pattern, ``{name}`` for the class
            name and ``{0}`` for the whole path or line. Defaults to '{0}'.
        lower (bool): Whether to convert raw classes to lower case.
            Defaults to False.
        ignore_case (bool): Whether to ignore case when raw classes are
            sorted. Defaults to False.
        ignore (Sequence[str]): Raw classes to leave out. Defaults to none.
        rename (Mapping, optional): Class names of some raw classes.
        substitute (Sequence): Pairs of a regular expression and its
            replacement, applied to raw classes in order. Defaults to none.
        **kwargs: See :class:`FewShotDataset`.

    Raises:
        DeptError: If the pattern has no group ``label``, or matches nothing
            or not every line.

    Examples:
        >>> dataset = dict(
        ...     type='PathPatternDataset', data_root='data',
        ...     data_prefix='oxford_pets/images',
        ...     pattern=r'(?P<label>.+)_\d+\.jpg', lower=True)
    """

    def __init__(self,
                 *args,
                 pattern: str,
                 lists: Mapping[str, str] | None = None,
                 path: str = '{0}',
                 lower: bool = False,
                 ignore_case: bool = False,
                 ignore: Sequence[str] = (),
                 rename: Mapping[str, str] | None = None,
                 substitute: Sequence[tuple[str, str]] = (),
                 **kwargs) -> None:
        self.pattern = re.compile(pattern)
        if 'label' not in self.pattern.groupindex:
            raise DeptError(f'PathPatternDataset: pattern={pattern!r} has no '
                            'group (?P<label>...) for the class.')
        self.lists = lists
        self.path = path
        self.lower = lower
        self.sort_key = str.lower if ignore_case else None
        self.ignore = frozenset(ignore)
        self.rename = rename or {}
        self.substitute = substitute
        super().__init__(*args, **kwargs)

    def read(self) -> Splits:
        """Read class names and images from all paths or lines."""
        found = {split: list(self._match(entries))
                 for split, entries in self._list_entries()}
        raw = sorted({label for part in found.values() for label, _ in part},
                     key=self.sort_key)
        if not raw:
            raise DeptError(f'{self.source}: no path or line matches '
                            f'{self.pattern.pattern!r}.')
        labels = {label: i for i, label in enumerate(raw)}
        items = {split: sorted((Item(path, labels[label])
                                for label, path in part), key=_sort_key)
                 for split, part in found.items()}
        classes = [self._make_name(label) for label in raw]
        if self.lists is None:
            return split_by_class(classes, items[''])
        return Splits(classes, **{s: items.get(s, []) for s in SPLITS})

    def _list_entries(self) -> Iterable[tuple[str, Iterable[str]]]:
        """Yield each split with its paths or lines; without lists, only the
        split ''."""
        if self.lists is None:
            if not osp.isdir(self.img_prefix):
                raise self.make_not_found_error('Image folder',
                                                self.img_prefix)
            yield '', _list_paths(self.img_prefix)
            return
        for split, name in self.lists.items():
            path = osp.join(self.data_root, name)
            if not osp.isfile(path):
                raise self.make_not_found_error(f'List of {split} images',
                                                path)
            yield split, filter(None, read_lines(path))

    def _match(self, entries: Iterable[str]) -> Iterable[tuple[str, str]]:
        """Yield the raw class and the image path of every path or line."""
        for entry in entries:
            match = self.pattern.fullmatch(entry)
            if not match:
                # A stray file is not part of the data; a stray line may be.
                if self.lists is None:
                    continue
                raise DeptError(f'{self.source}: the line {entry!r} of a list '
                                f'does not match {self.pattern.pattern!r}.')
            label = match['label']
            if label in self.ignore:
                continue
            label = label.lower() if self.lower else label
            yield label, self.path.format(entry, **dict(
                match.groupdict(), name=self._make_name(label)))

    def _make_name(self, label: str) -> str:
        """Turn a raw class into a class name."""
        for pattern, replacement in self.substitute:
            label = re.sub(pattern, replacement, label)
        return self.rename.get(label, label)


def _sort_key(item: Item) -> tuple[int, str]:
    return item.label, item.path


def _list_paths(root: str) -> Iterable[str]:
    """Yield the paths of all images below a folder, in any order."""
    for folder, inside, names in os.walk(root, followlinks=True):
        # A link to a folder above would list all images again and again.
        here = osp.join(osp.realpath(folder), '')
        inside[:] = [name for name in inside if not here.startswith(
            osp.join(osp.realpath(osp.join(folder, name)), ''))]
        for name in filter(is_image, names):
            yield PurePath(osp.relpath(osp.join(folder, name),
                                       root)).as_posix()
