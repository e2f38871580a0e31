"""Read images with several labels each from a csv file."""
from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.datasets import MultiLabelDataset
from mmpretrain.datasets.base_dataset import expanduser

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS
from dept_mm.structures import Vocabulary

from ._class_names import order_classes, select_base_classes
from ._csv_rows import load_rows
from ._paths import locate_image
from .epoch_sampler import seed_for_sample
from .few_shot import SPLITS, TASKS, FewShotDataset
from .splits import Item, split_by_class
from .unreadable import load_or_replace


@DATASETS.register_module()
class MultiLabelCSVDataset(MultiLabelDataset):
    """Images with several labels each, listed in a csv file.

    ``ann_file`` has the header ``path,labels`` or ``path,labels,split``.
    Class names are joined by ``;``, as in ``cat;dog``; all else is as in
    :class:`CSVDataset`. Without a split column, 50 % of the images are for
    training, 20 % for validation and 30 % for the test, always the same ones.
    There are no shots: which images would have k of each class depends on
    their order.

    ``gt_label`` is the list of the labels of an image, which index all
    classes.

    Args:
        ann_file (str): The csv file.
        split (str): 'train', 'val' or 'test'. Defaults to 'train'.
        task (str): 'base' keeps the images with a base class, and of their
            labels those of base classes; 'new' does so with the other
            classes; 'all' keeps everything. Defaults to 'all'.
        base_classes (str | Sequence[str]): 'half', 'all' or a list; see
            :class:`FewShotDataset`. Defaults to 'half'.
        template (str | Sequence[str]): Sentences with ``{}`` for the class
            name. Defaults to 'a photo of a {}.'.
        data_root (str): Folder that contains ``ann_file`` and
            ``data_prefix``. Defaults to ''.
        lazy_init (bool): Whether to list the samples later. Defaults to
            False.
        name (str, optional): The name of the data set, kept in
            ``metainfo``. Defaults to None.
        seed (int): The ``--seed`` of a run, which draws nothing here.
            Defaults to 1.
        **kwargs: Arguments of MMPretrain's ``BaseDataset``; ``metainfo``
            takes precedence, as in :class:`FewShotDataset`.

    Raises:
        DeptError: If an option is unknown, the file is missing, a row is
            incomplete, an image is listed twice, or no image is left.

    Examples:
        >>> dataset = dict(
        ...     type='MultiLabelCSVDataset', data_root='data/street',
        ...     ann_file='list.csv', data_prefix='images')
    """
    source = FewShotDataset.source
    make_not_found_error = FewShotDataset.make_not_found_error

    def __init__(self, ann_file: str = '', split: str = 'train',
                 task: str = 'all', base_classes: str | Sequence[str] = 'half',
                 template: str | Sequence[str] = 'a photo of a {}.',
                 data_root: str = '', lazy_init: bool = False,
                 name: str | None = None, seed: int = 1, **kwargs) -> None:
        for option, value, known in (('split', split, SPLITS),
                                     ('task', task, TASKS)):
            if value not in known:
                raise DeptError(f'{option}={value!r} is unknown: choose one '
                                f'of {list(known)}.')
        if kwargs.pop('num_shots', None) is not None:
            raise DeptError('MultiLabelCSVDataset draws no shots: use '
                            '--protocol multi_label, or num_shots=None.')
        # Lazy, because the metainfo has to be complete before the samples.
        super().__init__(ann_file, data_root=expanduser(data_root),
                         lazy_init=True, **kwargs)
        self.split, self.task, self.seed = split, task, seed
        self._parts, classes = self._read()
        meta = dict(dict(classes=classes, base_classes=base_classes,
                         template=template), **self._metainfo)
        meta['classes'] = tuple(classes)
        meta['base_classes'] = select_base_classes(
            tuple(meta.get('class_ids') or classes), meta['base_classes'])
        if name is not None:
            meta.setdefault('name', name)
        try:
            self.vocabulary = Vocabulary.from_metainfo(meta)
        except DeptError as error:
            raise DeptError(f'{self.source}: {error}') from error
        self._metainfo.update(meta)
        if not lazy_init:
            self.full_init()

    def load_data_list(self) -> list[dict]:
        """List the samples ``dict(img_path, gt_label)`` of split and task;
        ``gt_label`` is a list."""
        # Forget the lists, which would be copied to every worker.
        parts, self._parts = self._parts or self._read()[0], None
        base = set(self.vocabulary.base_labels)
        infos = []
        for path, labels in parts[self.split].items():
            kept = [label for label in labels if self.task == 'all'
                    or (label in base) == (self.task == 'base')]
            if kept:
                infos.append(dict(gt_label=kept, img_path=locate_image(
                    path, self.img_prefix, self.data_root, self.source)))
        if not infos:
            raise DeptError(f'{self.source}: no image is left with '
                            f'split={self.split!r} and task={self.task!r}.')
        return infos

    def __getitem__(self, idx: int) -> dict:
        """Load one sample, as :class:`FewShotDataset` does. In training, an
        image with the same labels replaces one that cannot be read."""
        training = self.split == 'train' and not self.test_mode
        return load_or_replace(self, idx, self._load_item, training)

    def _load_item(self, idx: int) -> dict:
        with seed_for_sample(idx) as idx:
            return super().__getitem__(idx)

    def _read(self) -> tuple[dict[str, dict[str, list[int]]], list[str]]:
        """Read path -> labels of each split, and the class names."""
        rows, has_split = load_rows(self, 'labels')
        names = {path: self._split_names(path, text)
                 for path, text, _ in rows}
        if len(names) < len(rows):
            paths = [path for path, *_ in rows]
            twice = sorted(path for path in names if paths.count(path) > 1)
            raise DeptError(f'{self.source} lists images more than once: '
                            f"{twice[:5]}. Join their labels by ';'.")
        label, classes = order_classes(set().union(*names.values()),
                                       self._metainfo, self.source)
        if has_split:
            parts = {split: [path for path, _, mine in rows if mine == split]
                     for split in SPLITS}
        else:
            drawn = split_by_class([], [Item(path, 0) for path in names])
            parts = {split: [item.path for item in getattr(drawn, split)]
                     for split in SPLITS}
        return {split: {path: sorted({label[n] for n in names[path]})
                        for path in paths}
                for split, paths in parts.items()}, classes

    def _split_names(self, path: str, text: str) -> list[str]:
        names = [name.strip() for name in text.split(';')]
        if not all(names):
            raise DeptError(f"{self.source}: the labels of {path!r} are "
                            f"{text!r}; one between ';' is empty.")
        return names
