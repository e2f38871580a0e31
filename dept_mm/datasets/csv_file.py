"""Read data sets that are listed in a csv file."""
from __future__ import annotations

from collections import defaultdict

from dept_mm.registry import DATASETS

from ._class_names import order_classes
from ._csv_rows import load_rows
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
        rows, has_split = load_rows(self)
        labels, classes = order_classes({name for _, name, _ in rows},
                                        self._metainfo, self.source)
        parts = defaultdict(list)
        for path, name, split in rows:
            parts[split].append(Item(path, labels[name]))
        if not has_split:
            return split_by_class(classes, parts[''])
        return Splits(classes, **{split: parts[split] for split in SPLITS})
