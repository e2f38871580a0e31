"""Data sets whose paths, or lists of paths, say the class."""
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
    r"""A data set whose classes are found by a regular expression.

    Without ``lists`` the pattern is matched with the path of every image
    below ``data_prefix`` (with '/', whatever the system), and the images are
    split by :func:`dept_mm.datasets.splits.split_by_class`. With ``lists`` it
    is matched with every line of these text files. Its group ``label`` is
    the raw class, and labels follow the sorted raw classes.

    Args:
        pattern (str): The regular expression, for the whole path or line.
        lists (Mapping, optional): The text file, below ``data_root``, of each
            split; a split that is missing is empty.
        path (str): Where an image is below ``data_prefix``, written with the
            groups of the pattern, ``{name}`` for the class name and ``{0}``
            for the whole. Defaults to '{0}'.
        lower (bool): Put raw classes into lower case. Defaults to False.
        ignore_case (bool): Sort them as if they were. Defaults to False.
        ignore (Sequence[str]): Raw classes to leave out.
        rename (Mapping): Raw class -> class name, where they differ.
        substitute (Sequence): Pairs of a regular expression and its
            replacement, which make class names of raw classes.
        **kwargs: As in :class:`FewShotDataset`.

    Examples:
        >>> dataset = PathPatternDataset(
        ...     data_root='data', data_prefix='oxford_pets/images',
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
        """Match every path or line."""
        found = {split: list(self._match(entries))
                 for split, entries in self._entries()}
        raw = sorted({label for part in found.values() for label, _ in part},
                     key=self.sort_key)
        if not raw:
            raise DeptError(f'{self.source}: nothing there matches '
                            f'{self.pattern.pattern!r}.')
        labels = {label: i for i, label in enumerate(raw)}
        items = {split: sorted((Item(path, labels[label])
                                for label, path in part), key=_by_label)
                 for split, part in found.items()}
        classes = [self._name(label) for label in raw]
        if self.lists is None:
            return split_by_class(classes, items[''])
        return Splits(classes, **{s: items.get(s, []) for s in SPLITS})

    def _entries(self) -> Iterable[tuple[str, Iterable[str]]]:
        """Splits and the paths or lines in them; '' is all of them."""
        if self.lists is None:
            if not osp.isdir(self.img_prefix):
                raise self.not_found('Image folder', self.img_prefix)
            yield '', _images(self.img_prefix)
            return
        for split, name in self.lists.items():
            path = osp.join(self.data_root, name)
            if not osp.isfile(path):
                raise self.not_found(f'List of {split} images', path)
            yield split, filter(None, read_lines(path))

    def _match(self, entries: Iterable[str]) -> Iterable[tuple[str, str]]:
        """Raw class and path of every entry."""
        for entry in entries:
            match = self.pattern.fullmatch(entry)
            if not match:
                # A stray file is none of the data; a stray line may be.
                if self.lists is None:
                    continue
                raise DeptError(f'{self.source}: {entry!r} in a list does '
                                f'not match {self.pattern.pattern!r}.')
            label = match['label']
            if label in self.ignore:
                continue
            label = label.lower() if self.lower else label
            yield label, self.path.format(entry, **dict(
                match.groupdict(), name=self._name(label)))

    def _name(self, label: str) -> str:
        """Class name of a raw class."""
        for pattern, replacement in self.substitute:
            label = re.sub(pattern, replacement, label)
        return self.rename.get(label, label)


def _by_label(item: Item) -> tuple[int, str]:
    return item.label, item.path


def _images(root: str) -> Iterable[str]:
    """Paths of all images in a folder; the order does not matter."""
    for folder, _, names in os.walk(root, followlinks=True):
        for name in filter(is_image, names):
            yield PurePath(osp.relpath(osp.join(folder, name),
                                       root)).as_posix()
