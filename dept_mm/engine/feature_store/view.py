"""One data set under one augmentation."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from torch.utils.data import DataLoader

from dept_mm.datasets import EpochIndex
from dept_mm.engine.feature_store.file import canonical, read


@dataclass(frozen=True)
class View:
    """All images of a data set under one augmentation: one file.

    Attributes:
        root (Path): Folder of the store.
        split (str): First part of the file's name, for people.
        key (dict): See ``store_key``.
        loader (DataLoader): The loader whose data set it is.
        seed, epoch (int, optional): Of the augmentation; None where there is
            none.
    """
    root: Path
    split: str
    key: dict
    loader: DataLoader
    seed: int | None = None
    epoch: int | None = None

    @property
    def full_key(self) -> dict:
        """The key with the augmentation."""
        return dict(self.key, seed=self.seed, epoch=self.epoch)

    @property
    def path(self) -> Path:
        """The file; another key is another name."""
        digest = hashlib.sha256(canonical(self.full_key).encode()).hexdigest()
        drawn = ('' if self.epoch is None
                 else f'-seed{self.seed}-epoch{self.epoch}')
        return self.root / f'{self.split}{drawn}-{digest[:20]}.safetensors'

    @property
    def indices(self) -> Sequence[int]:
        """Indices of the data set's samples."""
        plain = range(len(self.loader.dataset))
        if self.epoch is None:
            return plain
        return [EpochIndex(i, self.seed, self.epoch) for i in plain]

    def read(self) -> Tensor:
        """Features ``(N, D)``; see ``file.read``."""
        return read(self.path, self.full_key)
