"""Read data sets that are described by a split file of the CoOp code."""
from __future__ import annotations

import json
import logging
import os.path as osp
from collections.abc import Mapping
from functools import lru_cache

from mmengine.logging import print_log

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS

from .few_shot import SPLITS, FewShotDataset
from .splits import Item, Splits


@DATASETS.register_module()
class SplitFileDataset(FewShotDataset):
    """A data set whose splits are listed in a json file, as in CoOp's code.

    ``ann_file`` is a json file ``{"train": [[path, label, name], ...],
    "val": [...], "test": [...]}``, such as the public
    ``split_zhou_Caltech101.json``; a missing split is empty. Paths are
    relative to ``data_prefix``. Labels run from 0 without gaps. Class names
    stay as in the file; underscores become spaces when prompts are built.

    Args:
        ann_file (str): The split file.
        fallback (Mapping, optional): Config of a data set that reads and
            splits the images if the split file is missing; a warning is
            logged then. It inherits ``data_root`` and ``data_prefix``.
        **kwargs: See :class:`FewShotDataset`.

    Raises:
        DeptError: If the file is missing or malformed.

    Examples:
        >>> dataset = dict(
        ...     type='SplitFileDataset', data_root='data',
        ...     ann_file='caltech-101/split_zhou_Caltech101.json',
        ...     data_prefix='caltech-101/101_ObjectCategories')
    """

    def __init__(self, *args, fallback: Mapping | None = None,
                 **kwargs) -> None:
        self.fallback = fallback
        super().__init__(*args, **kwargs)

    def read(self) -> Splits:
        """Read the split file, or the fallback if the file is missing."""
        if self.fallback and not osp.isfile(self.ann_file):
            return self._read_fallback()
        content = self._load_file()
        names: dict[int, str] = {}
        where: dict[int, str] = {}
        parts: dict[str, list[Item]] = {}
        for split in SPLITS:
            parts[split] = []
            for i, entry in enumerate(content.get(split, ())):
                place = f'{split}[{i}]'
                path, label, name = self._check_entry(entry, place)
                if names.setdefault(label, name) != name:
                    raise DeptError(
                        f'{self.source}: label {label} is called '
                        f'{names[label]!r} in {where[label]} and {name!r} '
                        f'in {place}.')
                where.setdefault(label, place)
                parts[split].append(Item(path, label))
        self._check_labels(names, where)
        return Splits([names[i] for i in range(len(names))], **parts)

    def _read_fallback(self) -> Splits:
        """Read the fallback data set, and warn that its split is another."""
        splits = DATASETS.build(dict(
            dict(data_root=self.data_root, lazy_init=True,
                 data_prefix=osp.abspath(self.img_prefix)),
            **self.fallback)).read()
        _warn_once(
            f'Split file not found: {self.source}. The images are split by '
            'another rule, so results cannot be compared with published '
            'ones; docs/datasets.md says where to find the file.')
        return splits

    def _load_file(self) -> dict:
        if not self.ann_file:
            raise DeptError("SplitFileDataset needs 'ann_file', the path of "
                            'a split file.')
        if not osp.isfile(self.ann_file):
            raise self.make_not_found_error('Split file', self.ann_file)
        try:
            with open(self.ann_file, encoding='utf-8') as file:
                content = json.load(file)
        except ValueError as error:  # bad json or bad utf-8
            raise DeptError(f'{self.source} is not valid json: '
                            f'{error}.') from error
        if not isinstance(content, dict) or not set(SPLITS) & set(content):
            raise DeptError(f'{self.source} is not a split file: it must '
                            f'contain an object with lists {list(SPLITS)}.')
        for split in SPLITS:
            if not isinstance(content.get(split, []), list):
                raise DeptError(f'{self.source}: {split!r} is not a list.')
        return content

    def _check_entry(self, entry: object, place: str) -> tuple[str, int, str]:
        if not isinstance(entry, list) or [type(x) for x in entry
                                           ] != [str, int, str]:
            raise DeptError(f'{self.source}: {place} is {entry!r}, not '
                            '[path, label, class name].')
        if entry[1] < 0:
            raise DeptError(f'{self.source}: {place} ({entry[0]!r}) has the '
                            f'label {entry[1]}; labels start at 0.')
        return tuple(entry)

    def _check_labels(self, names: dict[int, str],
                      where: dict[int, str]) -> None:
        """Refuse labels with gaps; ``where`` is the first place of each."""
        if not names:
            raise DeptError(f'{self.source} lists no images.')
        missing = set(range(len(names))) - set(names)
        if missing:
            top = max(names)
            raise DeptError(
                f'{self.source}: {where[top]} has the label {top} '
                f'({names[top]!r}), but no entry has label {min(missing)}: '
                f'labels must run from 0 without gaps.')


@lru_cache
def _warn_once(message: str) -> None:
    """Log a warning once: a run reads its data set several times."""
    print_log(message, logger='current', level=logging.WARNING)
