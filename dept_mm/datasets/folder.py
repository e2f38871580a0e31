"""Data sets that are folders of images."""
from __future__ import annotations

import os
import os.path as osp
from collections.abc import Mapping

from torchvision.datasets.folder import IMG_EXTENSIONS

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS

from ._class_names import order_classes, read_class_file
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
        folders (Mapping, optional): The folder of each split below
            ``data_prefix``, where it is another than the split's name; ''
            is ``data_prefix`` itself.
        class_file (str, optional): A text file below ``data_root`` with
            lines ``FOLDER CLASS NAME``: folders are called by identities,
            e.g. WordNet ids, and only those found are classes.
        numbered (bool): Folders are called by the rank of the identity in
            the sorted ``class_file``, from 0 on. Defaults to False.
        **kwargs: As in :class:`FewShotDataset`.

    Examples:
        >>> dataset = FolderDataset(
        ...     data_root='data/pets', split='train', num_shots=16)
    """

    def __init__(self,
                 *args,
                 folders: Mapping[str, str] | None = None,
                 class_file: str | None = None,
                 numbered: bool = False,
                 **kwargs) -> None:
        if numbered and not class_file:
            raise DeptError('FolderDataset: numbered=True needs a '
                            "'class_file', which says what the numbers are.")
        unknown = sorted(set(folders or ()) - set(SPLITS))
        if unknown:
            raise DeptError(f'FolderDataset: folders={dict(folders)} names '
                            f'{unknown}; the splits are {list(SPLITS)}.')
        self.folders = folders
        self.class_file = class_file
        self.numbered = numbered
        super().__init__(*args, **kwargs)

    def read(self) -> Splits:
        """List the images; those of the test split alone for that split, as
        ImageNet's training images take a while."""
        parts, found = self._find()
        labels, classes, ids = self._order(found)
        if not parts:
            items = _items(self.img_prefix, '', found[''], labels)
            return split_by_class(classes, items)
        wanted = ('test', ) if self.split == 'test' else SPLITS
        items = {
            split: _items(self.img_prefix, parts[split], found[parts[split]],
                          labels)
            for split in wanted if split in parts
        }
        return Splits(classes, class_ids=ids,
                      **{s: items.get(s, []) for s in SPLITS})

    def read_classes(self) -> tuple[list[str], list[str] | None]:
        """Look at the folders' names alone."""
        return self._order(self._find()[1])[1:]

    def _find(self) -> tuple[dict[str, str], dict[str, list[str]]]:
        """The folder of each split, and the class folders in each of them;
        without splits these are in ''."""
        root = self.img_prefix
        if not osp.isdir(root):
            raise self.not_found('Image folder', root)
        parts = self.folders
        if parts is None:
            parts = {s: s for s in SPLITS if _folders(osp.join(root, s))}
        found = {part: _folders(osp.join(root, part))
                 for part in parts.values() or ['']}
        if not any(found.values()):
            raise DeptError(f'{self.source} holds no class folders: put the '
                            'images into CLASS/ or train/CLASS/ and '
                            'test/CLASS/.')
        return parts, found

    def _order(self, found: dict[str, list[str]]
               ) -> tuple[dict[str, int], list[str], list[str] | None]:
        """Label of every class folder; names and identities by label."""
        folders = set().union(*found.values())
        if self.class_file is None:
            return *order_classes(folders, self._metainfo, self.source), None
        path = osp.join(self.data_root, self.class_file)
        if not osp.isfile(path):
            raise self.not_found('Class file', path)
        names = read_class_file(path)
        called = {str(i) if self.numbered else key: key
                  for i, key in enumerate(sorted(names))}
        strangers = sorted(folders - set(called))
        if strangers:
            raise DeptError(f'{self.source}: class folders that {path} does '
                            f'not know: {strangers[:10]}.')
        ids = sorted(called[folder] for folder in folders)
        labels = {key: i for i, key in enumerate(ids)}
        return ({folder: labels[called[folder]] for folder in folders},
                [names[key] for key in ids], ids)


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
            if is_image(name):
                path = osp.join(part, folder, name)
                items.append(Item(path, labels[folder]))
    return items


def is_image(name: str) -> bool:
    """Whether a file of this name counts: not Apple's '._x.jpg'."""
    return not name.startswith('.') and name.lower().endswith(IMG_EXTENSIONS)
