"""What every data set of this package shares: splits, tasks and shots."""
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from numbers import Integral

from mmpretrain.datasets.base_dataset import BaseDataset, expanduser

from dept_mm.errors import DeptError, UnreadableImage
from dept_mm.structures.vocabulary import Vocabulary

from ._class_names import base_of
from ._counts import check_counts
from .epoch_sampler import seeded
from .splits import (
    Item,
    Splits,
    draw_few_shot,
    draw_shots,
)
from .unreadable import every_unreadable, substitute

__all__ = ['FewShotDataset', 'Item', 'Splits', 'draw_shots']

SPLITS = ('train', 'val', 'test')
TASKS = ('base', 'new', 'all')


class FewShotDataset(BaseDataset):
    """Base class of data sets with splits, base and new classes, and shots.

    ``metainfo`` holds ``classes`` (all of them, in label order),
    ``base_classes`` and ``template``. It is there right after ``__init__``,
    with ``lazy_init=True`` too, and is the same for every ``split``,
    ``task``, ``num_shots`` and ``seed``: a model's vocabulary may be read
    from the same config. ``gt_label`` always indexes all classes; a task only
    chooses samples.

    The draw follows CoOp and DePT bit by bit, see
    :func:`dept_mm.datasets.splits.draw_few_shot`.

    A subclass writes :meth:`read`, which ``__init__`` calls when the
    attributes of MMPretrain's ``BaseDataset`` (``ann_file``, ``data_prefix``
    joined with ``data_root``) are set; a subclass's own attributes must be
    set before ``super().__init__``.

    Args:
        ann_file (str): Annotation file. Defaults to ''.
        split (str): 'train', 'val' or 'test'. Defaults to 'train'.
        task (str): Keep the samples of 'base', 'new' or 'all' classes.
            Defaults to 'all'.
        num_shots (int, optional): Training images per class; val keeps at
            most 4 of them, test is always whole. Defaults to None, which
            means the whole split.
        seed (int): Seed of the draw. Defaults to 1.
        base_classes (str | Sequence[str]): 'half' (the first half in label
            order, the larger one if the number is odd), 'all', or a list of
            classes. Defaults to 'half'.
        template (str | Sequence[str]): Hand-written sentences with ``{}``
            for the class name. Defaults to 'a photo of a {}.'.
        data_root (str): Folder of ``ann_file`` and ``data_prefix``.
        lazy_init (bool): Do not make the list of samples yet.
        namespace (str, optional): Identities become 'namespace/name': other
            classes than those of the same name elsewhere. Defaults to None.
        name (str, optional): What results call the data set; kept in
            ``metainfo``. Defaults to None.
        **kwargs: As in MMPretrain's ``BaseDataset``. As everywhere in
            OpenMMLab, ``metainfo`` wins: its ``classes`` (and ``class_ids``,
            where names are not unique), ``base_classes`` and ``template``
            replace what was read or given.

    Raises:
        DeptError: If an option, the files or the classes do not fit.
    """

    def __init__(self,
                 ann_file: str = '',
                 split: str = 'train',
                 task: str = 'all',
                 num_shots: int | None = None,
                 seed: int = 1,
                 base_classes: str | Sequence[str] = 'half',
                 template: str | Sequence[str] = 'a photo of a {}.',
                 data_root: str = '',
                 lazy_init: bool = False,
                 namespace: str | None = None,
                 name: str | None = None,
                 **kwargs) -> None:
        # Lazy, because the metainfo has to be there before the samples.
        super().__init__(
            ann_file,
            data_root=expanduser(data_root),
            lazy_init=True,
            **kwargs)
        self.split = split
        self.task = task
        self.num_shots = num_shots
        self.seed = seed
        if name is not None:
            self._metainfo.setdefault('name', name)
        self._check_options()
        self._splits: Splits | None = None
        self.vocabulary = self._set_metainfo(base_classes, template,
                                             namespace)
        if not lazy_init:
            self.full_init()

    def read(self) -> Splits:
        """Read the class names and the items of all three splits."""
        raise NotImplementedError

    def read_classes(self) -> tuple[list[str], list[str] | None]:
        """Class names and, where they differ, identities. A subclass that
        knows them without its samples says so here."""
        self._splits = self.read()
        return self._splits.classes, self._splits.class_ids

    def item_path(self, item: Item) -> str:
        """Where the image of an item is."""
        return osp.join(self.img_prefix, item.path)

    def load_data_list(self) -> list[dict]:
        """Samples ``dict(img_path, gt_label)`` of the split and task."""
        # Let go of the items: they would travel to every worker.
        splits, self._splits = self._splits or self.read(), None
        whole = getattr(splits, self.split)
        if self.num_shots is not None:
            splits = draw_few_shot(splits, self.num_shots, self.seed)
        labels = self._task_labels()
        check_counts(whole, labels, self)
        return [
            dict(img_path=self.item_path(item), gt_label=item.label)
            for item in getattr(splits, self.split) if item.label in labels
        ]

    def __getitem__(self, idx: int) -> dict:
        """One sample through the pipeline, whose random choices follow
        from seed, epoch and index where an ``EpochSampler`` gives it.

        In training, another image of the class stands for one that cannot
        be read, see :mod:`dept_mm.datasets.unreadable`.

        Raises:
            DeptError: In testing, if an image cannot be read; it names all.
        """
        try:
            return self._item(idx)
        except UnreadableImage as error:
            infos = [self.get_data_info(i) for i in range(len(self))]
            paths = [info['img_path'] for info in infos]
            if self.split != 'train' or self.test_mode:
                raise every_unreadable(paths, self._item) from error
            labels = [info['gt_label'] for info in infos]
            return substitute(idx, labels, self._item, paths[idx])

    def _item(self, idx: int) -> dict:
        with seeded(idx) as idx:
            return super().__getitem__(idx)

    def extra_repr(self) -> list[str]:
        """Add the split, task and shots to the printed form."""
        shots = 'all' if self.num_shots is None else self.num_shots
        return super().extra_repr() + [
            f'Split: \t{self.split}', f'Task: \t{self.task}',
            f'Shots: \t{shots} (seed {self.seed})'
        ]

    @property
    def source(self) -> str:
        """Full path of the file or folder that is read, for messages."""
        path = self.ann_file or self.img_prefix
        return osp.abspath(path) if path else type(self).__name__

    def not_found(self, what: str, path: str) -> DeptError:
        """The error for a file or folder that is not there."""
        return DeptError(
            f'{what} not found: {osp.abspath(path)} (data_root is '
            f'{self.data_root!r}). Put it there, or say where it is with '
            '--cfg-options dataset.data_root=/path/to/data.')

    def _check_options(self) -> None:
        for option, value, known in (('split', self.split, SPLITS),
                                     ('task', self.task, TASKS)):
            if value not in known:
                raise DeptError(f'{option}={value!r} is unknown: choose one '
                                f'of {list(known)}.')
        shots = self.num_shots
        if shots is not None and not (_is_int(shots) and shots >= 1):
            raise DeptError(f'num_shots={shots!r} must be a whole number '
                            'from 1 on, or None for the whole split.')
        if not _is_int(self.seed):
            # random.Random('1') would quietly be another draw than 1.
            raise DeptError(f'seed={self.seed!r} must be a whole number.')

    def _set_metainfo(self, base_classes: str | Sequence[str],
                      template: str | Sequence[str],
                      namespace: str | None) -> Vocabulary:
        """Complete the metainfo and check it."""
        found, found_ids = self.read_classes()
        meta = dict(
            dict(
                classes=found, base_classes=base_classes, template=template),
            **self._metainfo)
        if found_ids:
            meta.setdefault('class_ids', found_ids)
        meta['classes'] = tuple(meta['classes'])
        if len(meta['classes']) != len(found):
            raise DeptError(
                f'{self.source} has {len(found)} classes, but the '
                f"metainfo's 'classes' lists {len(meta['classes'])}.")
        ids = tuple(meta.get('class_ids') or meta['classes'])
        meta['base_classes'] = base_of(ids, meta['base_classes'])
        if namespace:
            ids, meta['base_classes'] = (
                tuple(f'{namespace}/{key}' for key in keys)
                for keys in (ids, meta['base_classes']))
            meta['class_ids'] = ids
        try:
            vocabulary = Vocabulary.from_metainfo(meta)
        except DeptError as error:
            raise DeptError(f'{self.source}: {error}') from error
        self._metainfo.update(meta)
        return vocabulary

    def _task_labels(self) -> set[int]:
        vocabulary = self.vocabulary
        if self.task == 'all':
            return set(range(len(vocabulary)))
        if self.task == 'base':
            return set(vocabulary.base_labels)
        if not vocabulary.new_labels:
            raise DeptError(
                f"{self.source}: task='new' has no classes, because all "
                f'{len(vocabulary)} classes are base classes. Use '
                "task='all', or give fewer base_classes.")
        return set(vocabulary.new_labels)


def _is_int(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
