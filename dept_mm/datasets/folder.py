"""Read data sets that come as one folder of images per class."""
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

    The folder ``data_prefix`` contains either ``train/CLASS/*.jpg``,
    ``val/CLASS/*.jpg`` (optional) and ``test/CLASS/*.jpg``, or only
    ``CLASS/*.jpg``, which :func:`dept_mm.datasets.splits.split_by_class` then
    splits. A folder named train, val or test counts as a split if it contains
    folders.

    Labels follow the sorted folder names, unless the metainfo gives their
    order as ``classes`` (or as ``class_ids``, if folders are not named after
    the classes). Images are recognised by their file extension in upper or
    lower case; hidden files and folders are ignored.

    Args:
        data_root (str): The folder, or the folder above ``data_prefix``.
        folders (Mapping, optional): The folder of each split below
            ``data_prefix``, where it is not named after the split; '' means
            ``data_prefix`` itself.
        class_file (str, optional): A text file below ``data_root`` with
            lines ``FOLDER CLASS NAME``. Folders are then named after
            identities, e.g. WordNet ids, and only folders that exist are
            classes.
        numbered (bool): Whether each folder is instead named after the
            position, counted from 0, of its identity among the sorted
            identities of ``class_file``. Defaults to False.
        **kwargs: See :class:`FewShotDataset`.

    Raises:
        DeptError: If a folder or file is missing, or a class is unknown.

    Examples:
        >>> dataset = dict(
        ...     type='FolderDataset', data_root='data/pets',
        ...     template='a photo of a {}, a type of pet.')
    """

    def __init__(self,
                 *args,
                 folders: Mapping[str, str] | None = None,
                 class_file: str | None = None,
                 numbered: bool = False,
                 **kwargs) -> None:
        if numbered and not class_file:
            raise DeptError('FolderDataset: numbered=True needs a '
                            "'class_file', which lists the numbered classes.")
        unknown = sorted(set(folders or ()) - set(SPLITS))
        if unknown:
            raise DeptError(f'FolderDataset: folders={dict(folders)} names '
                            f'{unknown}; the splits are {list(SPLITS)}.')
        self.folders = folders
        self.class_file = class_file
        self.numbered = numbered
        super().__init__(*args, **kwargs)

    def read(self) -> Splits:
        """List the images of all splits, or for the test split only its own:
        listing ImageNet's training images takes a while."""
        parts, found = self._find_folders()
        labels, classes, ids = self._label_folders(found)
        if not parts:
            items = _list_items(self.img_prefix, '', found[''], labels)
            return split_by_class(classes, items)
        wanted = ('test', ) if self.split == 'test' else SPLITS
        items = {
            split: _list_items(self.img_prefix, parts[split],
                               found[parts[split]], labels)
            for split in wanted if split in parts
        }
        return Splits(classes, class_ids=ids,
                      **{s: items.get(s, []) for s in SPLITS})

    def read_classes(self) -> tuple[list[str], list[str] | None]:
        """Read the classes from the names of the folders alone."""
        return self._label_folders(self._find_folders()[1])[1:]

    def _find_folders(self) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Find the folder of each split, and the class folders in each of
        those; without splits, the class folders are under the key ''."""
        root = self.img_prefix
        if not osp.isdir(root):
            raise self.make_not_found_error('Image folder', root)
        parts = self.folders
        if parts is None:
            parts = {s: s for s in SPLITS if _list_folders(osp.join(root, s))}
        found = {part: _list_folders(osp.join(root, part))
                 for part in parts.values() or ['']}
        if not any(found.values()):
            raise DeptError(f'{self.source} contains no class folders: put '
                            'the images into CLASS/, or into train/CLASS/ '
                            'and test/CLASS/.')
        return parts, found

    def _label_folders(self, found: dict[str, list[str]]
                       ) -> tuple[dict[str, int], list[str],
                                  list[str] | None]:
        """Return the label of every class folder, and the class names and
        identities in label order."""
        folders = set().union(*found.values())
        if self.class_file is None:
            return *order_classes(folders, self._metainfo, self.source), None
        path = osp.join(self.data_root, self.class_file)
        if not osp.isfile(path):
            raise self.make_not_found_error('Class file', path)
        names = read_class_file(path)
        id_of = {str(i) if self.numbered else key: key
                 for i, key in enumerate(sorted(names))}
        unknown = sorted(folders - set(id_of))
        if unknown:
            raise DeptError(f'{self.source}: these class folders are not in '
                            f'{path}: {unknown[:10]}.')
        ids = sorted(id_of[folder] for folder in folders)
        labels = {key: i for i, key in enumerate(ids)}
        return ({folder: labels[id_of[folder]] for folder in folders},
                [names[key] for key in ids], ids)


def _list_folders(path: str) -> list[str]:
    """List the folders in a folder by name; none if it does not exist."""
    if not osp.isdir(path):
        return []
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries
                      if entry.is_dir() and not entry.name.startswith('.'))


def _list_items(root: str, part: str, folders: list[str],
                labels: dict[str, int]) -> list[Item]:
    """List the images of these class folders, sorted by label and name."""
    items = []
    for folder in sorted(folders, key=labels.__getitem__):
        for name in sorted(os.listdir(osp.join(root, part, folder))):
            if is_image(name):
                path = osp.join(part, folder, name)
                items.append(Item(path, labels[folder]))
    return items


def is_image(name: str) -> bool:
    """Whether a file name is that of an image; Apple's '._x.jpg' is not."""
    return not name.startswith('.') and name.lower().endswith(IMG_EXTENSIONS)
