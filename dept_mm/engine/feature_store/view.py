"""The view: one file of a feature store."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dept_mm.datasets import EpochIndex
from dept_mm.datasets.stored_features import sample_infos
from dept_mm.engine.feature_store.file import read, to_canonical_json


@dataclass(frozen=True)
class View:
    """All images of a data set under one draw of the augmentation: one file.

    Attributes:
        root (Path): Folder of the store.
        split (str): First part of the file's name, for human readers.
        key (dict): What the features depend on; see ``build_key``.
        loader (DataLoader): A loader of the data set.
        seed, epoch (int, optional): Seed and epoch of the augmentation; None
            without augmentation.
    """
    root: Path
    split: str
    key: dict
    loader: DataLoader
    seed: int | None = None
    epoch: int | None = None

    @property
    def full_key(self) -> dict:
        """The key, including seed and epoch of the augmentation."""
        return dict(self.key, seed=self.seed, epoch=self.epoch)

    @property
    def path(self) -> Path:
        """The path of the file; another key gives another name."""
        text = to_canonical_json(self.full_key)
        digest = hashlib.sha256(text.encode()).hexdigest()
        drawn = ('' if self.epoch is None
                 else f'-seed{self.seed}-epoch{self.epoch}')
        return self.root / f'{self.split}{drawn}-{digest[:20]}.safetensors'

    @property
    def indices(self) -> Sequence[int]:
        """Indices of all samples, carrying the seed and epoch to draw by."""
        plain = range(len(self.loader.dataset))
        if self.epoch is None:
            return plain
        return [EpochIndex(i, self.seed, self.epoch) for i in plain]

    def beside(self) -> tuple[Tensor | None, Sequence[str]]:
        """Return the labels ``(N, )`` and the class names of the images, as
        far as there are some."""
        dataset = self.loader.dataset
        if not hasattr(dataset, 'get_data_info'):
            return None, ()
        labels = [info.get('gt_label') for info in sample_infos(dataset)]
        whole = all(isinstance(label, Integral) for label in labels)
        return (torch.tensor(labels) if whole else None,
                getattr(dataset, 'metainfo', {}).get('classes') or ())

    def read(self) -> Tensor:
        """Read the features ``(N, D)``; see ``file.read``."""
        return read(self.path, self.full_key)
