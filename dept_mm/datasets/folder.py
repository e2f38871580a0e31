"""Data sets that are folders of images."""
from __future__ import annotations

import os
import os.path as osp

from torchvision.datasets.folder import IMG_EXTENSIONS

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS

from ._class_names import order_classes
from .few_shot import SPLITS, FewShotDataset
from .splits import Item, Splits, split_by_class


@DATASETS.register_module()
class FolderDataset(FewShotDataset):
    """A data set with one folder per class.

    Below ``data_prefix`` lie either ``train/CLASS/*.jpg``,
    ``val/CLASS/*.jpg`` (optional) and ``test/CLASS/*.jpg``, or
    ``CLASS/*.jpg``, which is then split by
    :func:`dept_mm.datasets.splits.split_by_class`. A folder called train,
    val or test is taken for a split if it holds folders.

    Labels follow the sorted folder names, unless ``classes`` (or
    ``class_ids``, if folders are not called by the class names) gives their
    order. Files count by extension, whatever its case; hidden files and
    folders do not count.

    Args:
        data_root (str): The folder, or the folder above ``data_prefix``.
        **kwargs: As in :class:`FewShotDataset`.

    Examples:
        >>> dataset = FolderDataset(
        ...     data_root='data/pets', split='train', num_shots=16)
    """

    def read(self) -> Splits:
        """List the folders."""
        root = self.img_prefix
        if not osp.isdir(root):
            raise self.not_found('Image folder', root)
        parts = [split for split in SPLITS if _folders(osp.join(root, split))]
        # '' is the root itself, with class folders of all splits in one.
        found = {
            part: _folders(osp.join(root, part))
            for part in parts or ['']
        }
        folders = set().union(*found.values())
        if not folders:
            raise DeptError(f'{self.source} holds no class folders: put the '
                            'images into CLASS/ or train/CLASS/ and '
                            'test/CLASS/.')
        labels, classes = order_classes(folders, self._metainfo, self.source)
        items = {
            part: _items(root, part, names, labels)
            for part, names in found.items()
        }
        if not parts:
            return split_by_class(classes, items[''])
        return Splits(classes, **{s: items.get(s, []) for s in SPLITS})


def _folders(path: str) -> list[str]:
    """Sorted names of the folders in a folder, if there is one."""
    if not osp.isdir(path):
        return []
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries
                      if entry.is_dir() and not entry.name.startswith('.'))


def _items(root: str, part: str, folders: list[str],
           labels: dict[str, int]) -> list[Item]:
    """Images of these class folders, sorted by label and name."""
    items = []
    for folder in sorted(folders, key=labels.__getitem__):
        for name in sorted(os.listdir(osp.join(root, part, folder))):
            # Apple's '._x.jpg' is not an image.
            if name.startswith('.'):
                continue
            if name.lower().endswith(IMG_EXTENSIONS):
                path = osp.join(part, folder, name)
                items.append(Item(path, labels[folder]))
    return items
