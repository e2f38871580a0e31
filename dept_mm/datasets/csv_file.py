"""Read data sets that are listed in a csv file."""
from __future__ import annotations

import csv
import os.path as osp
from collections import defaultdict

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS

from ._class_names import order_classes
from .few_shot import SPLITS, FewShotDataset
from .splits import Item, Splits, split_by_class


@DATASETS.register_module()
class CSVDataset(FewShotDataset):
    """A data set listed in a csv file.

    ``ann_file`` has the header ``path,label`` or ``path,label,split``; a
    path is relative to ``data_prefix``, a label is a class name, and a split
    is train, val or test. Other columns are ignored. Without a split column,
    :func:`dept_mm.datasets.splits.split_by_class` splits the images.

    Labels follow the sorted class names, unless the metainfo gives their
    order as ``classes`` (or as ``class_ids``, if the column holds
    identities).

    Args:
        ann_file (str): The csv file.
        **kwargs: See :class:`FewShotDataset`.

    Raises:
        DeptError: If the file is missing or a row is incomplete.

    Examples:
        >>> dataset = dict(
        ...     type='CSVDataset', data_root='data/pets',
        ...     ann_file='pets.csv', data_prefix='images',
        ...     template='a photo of a {}, a type of pet.')
    """

    def read(self) -> Splits:
        """Read the class names and the images from the csv file."""
        rows, has_split = self._load_rows()
        labels, classes = order_classes({name for _, name, _ in rows},
                                        self._metainfo, self.source)
        parts = defaultdict(list)
        for path, name, split in rows:
            parts[split].append(Item(path, labels[name]))
        if not has_split:
            return split_by_class(classes, parts[''])
        return Splits(classes, **{split: parts[split] for split in SPLITS})

    def _load_rows(self) -> tuple[list[tuple[str, str, str]], bool]:
        """Return the rows (path, class name, split), and whether the file
        has a split column."""
        if not self.ann_file:
            raise DeptError("CSVDataset needs 'ann_file', the path of a csv "
                            'file.')
        if not osp.isfile(self.ann_file):
            raise self.make_not_found_error('csv file', self.ann_file)
        try:
            # Excel starts utf-8 files with a byte order mark.
            with open(self.ann_file, encoding='utf-8-sig',
                      newline='') as file:
                table = csv.DictReader(file)
                header = table.fieldnames or []
                if not {'path', 'label'} <= set(header):
                    raise DeptError(
                        f"{self.source}: the header must be 'path,label' or "
                        f"'path,label,split', but it is "
                        f"{','.join(header)!r}.")
                has_split = 'split' in header
                rows = [
                    self._check_row(row, table.line_num, has_split)
                    for row in table
                ]
        except (csv.Error, UnicodeDecodeError) as error:
            raise DeptError(f'{self.source} is not a csv file in utf-8: '
                            f'{error}.') from error
        if not rows:
            raise DeptError(f'{self.source} lists no images.')
        return rows, has_split

    def _check_row(self, row: dict, line: int,
                   has_split: bool) -> tuple[str, str, str]:
        """Return a row as (path, class name, split), the split '' if the
        file has none."""
        columns = ['path', 'label'] + ['split'] * has_split
        values = [(row[column] or '').strip() for column in columns]
        for column, value in zip(columns, values, strict=True):
            if not value:
                raise DeptError(f'{self.source}, line {line}: {column!r} is '
                                'empty.')
        if has_split and values[2] not in SPLITS:
            raise DeptError(f'{self.source}, line {line}: the split '
                            f'{values[2]!r} is not one of {list(SPLITS)}.')
        return values[0], values[1], values[2] if has_split else ''
