"""A data set of features that were computed elsewhere."""
from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmpretrain.datasets.base_dataset import expanduser
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS
from dept_mm.structures import ImageFeatures
from dept_mm.utils.arrays import read_array, read_notes, split_place

from ._class_names import order_classes, read_names
from ._feature_checks import check_labels, check_text
from ._feature_files import read_checked, read_labels, rescale
from .few_shot import SPLITS, FewShotDataset
from .splits import Item, Splits, split_by_class
from .stored_features import packer

WHOLE = 'row'  # stands for the split where one file holds all rows


@DATASETS.register_module()
class FeatureDataset(FewShotDataset):
    """Image features in files, with labels and class names beside them.

    Samples carry ``ImageFeatures``. Splits, shots, base and new classes are
    those of any data set here, so that necks, heads and probes train on it;
    ``clip=dict(type='features', text=DATASET)`` stands for the CLIP. With a
    CLIP by name, whose features they must be, it encodes the class names,
    and what learns on its text side trains as well. Only the last
    transform of the pipeline runs, since there are no images.

    An array is named ``FILE`` or ``FILE:NAME``, relative to ``data_root``:
    .npy, .npz, .safetensors, .pt (read as weights only) or .parquet. Without
    a name it is the file's only array, or the one that is named ``features``,
    ``labels``, ``split`` or ``text``. Features are served in fp32.

    What scales and shifts channels, such as DePT's head, learns slowly on
    features of unit length: CLIP's own, before they are normalised, have a
    length of about 10 (ViT-B/16; its texts 8).

    Args:
        features (str | Mapping): Image features ``(N, D)``; or those of each
            split, ``dict(train=..., val=..., test=...)``, of which ``val``
            may be missing.
        labels (str | Mapping, optional): Whole numbers ``(N, )`` that count
            from 0, rows ``(N, C)`` with a single 1, or class names; a
            mapping like ``features``. Defaults to
            the array ``labels`` of the same file.
        classes (str | Sequence[str], optional): Class names in label order,
            or a file of them, one a line or a list in JSON. Defaults to what
            a file of the feature store says, or to the sorted
            names among the labels.
        text (str, optional): Features ``(C, D)`` of the class names.
        split_of (str, optional): The split of each row, ``(N, )``, by name
            or as 0, 1, 2. Without it, ``split_by_class`` splits a single
            file.
        length (float, optional): Length to give to each image feature.
            Defaults to what it has.
        text_length (float, optional): The same for text features.
        data_root (str): Folder of the files. Defaults to ''.
        **kwargs: See :class:`FewShotDataset`.

    Raises:
        DeptError: If a file cannot be read, or arrays do not fit together;
            see :mod:`dept_mm.datasets._feature_checks`.

    Examples:
        >>> dataset = dict(
        ...     type='FeatureDataset', name='mine', data_root='mine',
        ...     features='features.npy', labels='labels.npy',
        ...     classes='classes.txt', text='text.npy')
    """

    transposed: Container[str] = ()  # splits, and 'text', with rows as columns

    def __init__(self, *, features: str | Mapping[str, str],
                 labels: str | Mapping[str, str] | None = None,
                 classes: str | Sequence[str] | None = None,
                 text: str | None = None, split_of: str | None = None,
                 length: float | None = None,
                 text_length: float | None = None,
                 data_root: str = '', pipeline: Sequence = (),
                 **kwargs) -> None:
        self.folder = expanduser(data_root)
        self.features = self._by_split(features)
        self.labels = self._by_split(features if labels is None else labels)
        if self.labels.keys() != self.features.keys():
            raise DeptError(f'features={features!r} and labels={labels!r} '
                            'must name the same splits.')
        self.text, self.split_of = text, split_of
        self._rows: dict[str, Tensor] = {}
        self.length, self.text_length = length, text_length
        # There is no image for the others to change.
        super().__init__(data_root='', pipeline=list(pipeline)[-1:],
                         classes=self._find_names(classes), **kwargs)
        if len(pipeline):
            packer(self)

    @property
    def source(self) -> str:
        """The first file, for error messages."""
        place = next(iter(self.features.values()))
        return str(split_place(place, self.folder)[0].absolute())

    @property
    def width(self) -> int:
        """Width ``D`` of the image features."""
        return self._read_features(next(iter(self.features))).shape[1]

    @property
    def origin(self) -> dict | None:
        """Identity of the CLIP that the features are of, if a file of the
        feature store says it."""
        clip = read_notes(Path(self.source)).get('key', {}).get('clip')
        return clip and dict(name=self.source, sha256=clip['sha256'],
                             preprocessing=clip['spec'])

    @property
    def logit_scale(self) -> float | None:
        """The exponentiated scale of that CLIP, if the file of the text
        features says it."""
        if self.text is None:
            return None
        path, _ = split_place(self.text, self.folder)
        return read_notes(path).get('key', {}).get('logit_scale')

    def text_features(self) -> Tensor | None:
        """Read the features ``(C, D)`` of the class names, if there are any.
        """
        if self.text is None:
            return None
        found = read_array(self.text, 'text', self.folder)
        if 'text' in self.transposed:
            found = found.T
        check_text(found, len(self.vocabulary), self.width, self.text)
        return rescale(found, self.text_length)

    def read_classes(self) -> tuple[list[str], None]:
        """Read the class names without the features."""
        if self._metainfo.get('classes'):
            return list(self._metainfo['classes']), None
        names = {name for part in self.labels
                 for name in self._read_labels(part)}
        if not all(isinstance(name, str) for name in names):
            raise DeptError(f'{self.source}: labels are numbers: give the '
                            "class names, classes='classes.txt'.")
        return order_classes(names, {}, self.source)[1], None

    def read(self) -> Splits:
        """Read the labels, and check them and the features."""
        names = list(self._metainfo.get('classes') or self.read_classes()[0])
        items = {}
        for part in self.features:
            labels = self._read_labels(part)
            if isinstance(labels, list):
                number, _ = order_classes(labels, dict(classes=names),
                                          self.source)
                labels = torch.tensor([number[name] for name in labels])
            check_labels(labels, len(self._read_features(part)), len(names),
                         self.labels[part])
            items[part] = [Item(f'{part}/{row:08d}', label)
                           for row, label in enumerate(labels.tolist())]
        if WHOLE not in items:
            return Splits(names, **{s: items.get(s, []) for s in SPLITS})
        if self.split_of is None:
            return split_by_class(names, items[WHOLE])
        return self._split(names, items[WHOLE])

    def item_path(self, item: Item) -> str:
        """Return the key itself, which is no path."""
        return item.path

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return one sample with its feature ``(D, )`` under ``img``."""
        info = super().get_data_info(idx)
        part, _, row = info['img_path'].partition('/')
        feature = self._read_features(part)[int(row)]
        info['img'] = rescale(feature, self.length)
        return info

    def prepare_data(self, idx: int) -> dict[str, Any]:
        """Return one sample as the model takes it."""
        packed = super().prepare_data(idx)
        if 'inputs' not in packed:
            return packed
        return dict(packed, inputs=ImageFeatures(packed['inputs']))

    def _by_split(self, given: str | Mapping[str, str]) -> dict[str, str]:
        if isinstance(given, str):
            return {WHOLE: given}
        if not {'train', 'test'} <= set(given) <= set(SPLITS):
            raise DeptError(f'FeatureDataset: {dict(given)} must name files '
                            "of 'train', 'test' and perhaps 'val'.")
        return dict(given)

    def _find_names(self, given: str | Sequence[str] | None
                    ) -> Sequence[str] | None:
        """Return the class names that were given, in a file or a list."""
        if given is None:
            return read_notes(Path(self.source)).get('classes')
        if not isinstance(given, str):
            return given
        return read_names(Path(self.folder, given))

    def _read_features(self, part: str) -> Tensor:
        if part not in self._rows:
            self._rows[part] = read_checked(
                self.features[part], self.folder, part in self.transposed)
        return self._rows[part]

    def _read_labels(self, part: str) -> Tensor | list[str]:
        return read_labels(self.labels[part], self.folder)

    def _split(self, names: list[str], items: list[Item]) -> Splits:
        """Split rows as the array of splits says."""
        found = read_array(self.split_of, 'split', self.folder)
        if isinstance(found, Tensor):
            found = [SPLITS[i] if 0 <= i < 3 else i for i in found.tolist()]
        if len(found) != len(items) or not set(found) <= set(SPLITS):
            raise DeptError(
                f'{self.split_of}: {len(found)} splits '
                f'{sorted(set(map(str, found)))[:5]} for {len(items)} rows; '
                f'each must be one of {list(SPLITS)} or 0, 1, 2.')
        return Splits(names, **{
            split: [item for item, own in zip(items, found, strict=True)
                    if own == split] for split in SPLITS})
