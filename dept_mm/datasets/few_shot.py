"""Base class of the image data sets: splits, base and new classes, shots."""
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from numbers import Integral

from mmpretrain.datasets.base_dataset import BaseDataset, expanduser

from dept_mm.errors import DeptError
from dept_mm.structures.vocabulary import Vocabulary

from ._class_names import select_base_classes
from ._counts import check_counts
from ._paths import locate_image
from .epoch_sampler import seed_for_sample
from .splits import Item, Splits, draw_few_shot, hold_out
from .unreadable import load_or_replace

SPLITS = ('train', 'val', 'test')
TASKS = ('base', 'new', 'all')


class FewShotDataset(BaseDataset):
    """Base class of data sets with splits, base and new classes, and shots.

    *Base* classes are those that a model is tuned on; the other classes are
    *new* to it. *Shots* are the training images drawn per class.

    ``metainfo`` holds ``classes`` (all of them, in label order),
    ``base_classes`` and ``template``. It is available right after
    ``__init__``, even with ``lazy_init=True``, and does not depend on
    ``split``, ``task``, ``num_shots`` or ``seed``, so a model can read its
    vocabulary from the same config. ``gt_label`` always indexes all classes;
    a task only selects samples.

    The drawn images equal those of the public code of CoOp and DePT; see
    :func:`dept_mm.datasets.splits.draw_few_shot`.

    A subclass implements :meth:`read`. ``__init__`` calls it after the
    attributes of MMPretrain's ``BaseDataset`` are set (``ann_file`` and
    ``data_prefix``, joined with ``data_root``), so a subclass must set its
    own attributes before it calls ``super().__init__``.

    Args:
        ann_file (str): Annotation file. Defaults to ''.
        split (str): 'train', 'val' or 'test'. Defaults to 'train'.
        task (str): Which samples to keep: those of the 'base' classes, of
            the 'new' classes, or 'all'. Defaults to 'all'.
        num_shots (int, optional): Number of training images per class. The
            val split then keeps at most 4 images per class, of a data set
            without validation images 4 training images that are not drawn;
            the test split stays whole. Defaults to None, which keeps the
            whole split.
        seed (int): Seed of the random draw of shots. Defaults to 1.
        base_classes (str | Sequence[str]): 'half' (the first half in label
            order, the larger one if the number is odd), 'all', or a list of
            classes. Defaults to 'half'.
        template (str | Sequence[str]): One or more hand-written sentences
            with ``{}`` for the class name. Defaults to 'a photo of a {}.'.
        data_root (str): Folder that contains ``ann_file`` and
            ``data_prefix``. Defaults to ''.
        lazy_init (bool): Whether to build the list of samples later.
            Defaults to False.
        labelled (bool): Whether samples have a ``gt_label``; without, no part
            of a training can read it. Defaults to True.
        namespace (str, optional): Prefix that turns class identities into
            'namespace/name', so that they differ from classes of the same
            name in other data sets. Defaults to None.
        name (str, optional): The name of the data set in results, which is
            kept in ``metainfo``. Defaults to None.
        **kwargs: Arguments of MMPretrain's ``BaseDataset``. As everywhere
            in OpenMMLab, ``metainfo`` takes precedence: its ``classes`` (and
            ``class_ids``, where names are not unique), ``base_classes`` and
            ``template`` replace what the files or other arguments say.

    Raises:
        DeptError: If an option is out of range, a file is missing, a listed
            path leaves the data, or the class lists contradict each other.
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
                 labelled: bool = True,
                 namespace: str | None = None,
                 name: str | None = None,
                 **kwargs) -> None:
        # Lazy, because the metainfo has to be complete before the samples.
        super().__init__(ann_file, data_root=expanduser(data_root),
                         lazy_init=True, **kwargs)
        self.split = split
        self.task = task
        self.num_shots = num_shots
        self.seed = seed
        self.labelled = labelled
        if name is not None:
            self._metainfo.setdefault('name', name)
        self._check_options()
        self._splits: Splits | None = None
        self.vocabulary = self._set_metainfo(base_classes, template,
                                             namespace)
        if not lazy_init:
            self.full_init()

    def read(self) -> Splits:
        """Read the class names and the images of all three splits."""
        raise NotImplementedError

    def read_classes(self) -> tuple[list[str], list[str] | None]:
        """Read the class names and, where they differ, the identities.

        A subclass overrides this where it can read them without listing its
        images.
        """
        self._splits = self.read()
        return self._splits.classes, self._splits.class_ids

    def item_path(self, item: Item) -> str:
        """Return the path of an image."""
        return locate_image(item.path, self.img_prefix, self.data_root,
                            self.source)

    def load_data_list(self) -> list[dict]:
        """List the samples ``dict(img_path, gt_label)`` of split and task."""
        # Forget the items, which would be copied to every worker.
        splits, self._splits = self._splits or self.read(), None
        if self.num_shots is not None:
            splits = hold_out(splits, self.num_shots, self.seed)
        whole = getattr(splits, self.split)
        if self.num_shots is not None:
            splits = draw_few_shot(splits, self.num_shots, self.seed)
        labels = self._select_labels()
        check_counts(whole, labels, self)
        infos = [dict(img_path=self.item_path(item), gt_label=item.label)
                 for item in getattr(splits, self.split)
                 if item.label in labels]
        return infos if self.labelled else [
            dict(img_path=info['img_path']) for info in infos]

    def __getitem__(self, idx: int) -> dict:
        """Load one sample and run the pipeline on it.

        If the index comes from an ``EpochSampler``, the random choices of
        the pipeline depend only on seed, epoch and index. In training,
        another image of the class replaces one that cannot be read; see
        :mod:`dept_mm.datasets.unreadable`.

        Raises:
            DeptError: In testing, if an image cannot be read. The message
                names every such file.
        """
        training = self.split == 'train' and not self.test_mode
        return load_or_replace(self, idx, self._load_item, training)

    def _load_item(self, idx: int) -> dict:
        with seed_for_sample(idx) as idx:
            return super().__getitem__(idx)

    def extra_repr(self) -> list[str]:
        """Add split, task and shots to the printed form."""
        shots = 'all' if self.num_shots is None else self.num_shots
        return super().extra_repr() + [
            f'Split: \t{self.split}', f'Task: \t{self.task}',
            f'Shots: \t{shots} (seed {self.seed})'
        ]

    @property
    def source(self) -> str:
        """Full path of the file or folder that is read, for error messages."""
        path = self.ann_file or self.img_prefix
        return osp.abspath(path) if path else type(self).__name__

    def make_not_found_error(self, what: str, path: str) -> DeptError:
        """Make the error for a missing file or folder."""
        return DeptError(
            f'{what} not found: {osp.abspath(path)} (data_root is '
            f'{self.data_root!r}). Put it there, or give its folder with '
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
                            'of at least 1, or None for the whole split.')
        if not _is_int(self.seed):
            # random.Random('1') silently differs from random.Random(1).
            raise DeptError(f'seed={self.seed!r} must be a whole number.')

    def _set_metainfo(self, base_classes: str | Sequence[str],
                      template: str | Sequence[str],
                      namespace: str | None) -> Vocabulary:
        """Complete ``metainfo``, and return the vocabulary it describes."""
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
        meta['base_classes'] = select_base_classes(ids, meta['base_classes'])
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

    def _select_labels(self) -> set[int]:
        """Return the labels of the classes that the task keeps."""
        vocabulary = self.vocabulary
        if self.task == 'all':
            return set(range(len(vocabulary)))
        if self.task == 'base':
            return set(vocabulary.base_labels)
        if not vocabulary.new_labels:
            raise DeptError(
                f"{self.source}: task='new' has no classes, because all "
                f'{len(vocabulary)} classes are base classes. Use '
                "task='all', or list fewer base_classes.")
        return set(vocabulary.new_labels)


def _is_int(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
