"""Make a data set from elsewhere behave as those of this package."""
from __future__ import annotations

from typing import Any

from dept_mm.registry import DATASETS

from .epoch_sampler import seed_for_sample
from .unreadable import load_or_replace


@DATASETS.register_module()
class SeededDataset:
    """Wrap any data set so that it behaves as those of this package.

    Random transforms then depend only on the :class:`EpochIndex` that an
    :class:`EpochSampler` yields, and an image that ``LoadRGBImage`` cannot
    read is treated as in :mod:`dept_mm.datasets.unreadable`.

    Args:
        dataset (dict | Dataset): The data set, or its config.

    Examples:
        >>> dataset = dict(
        ...     type='SeededDataset',
        ...     dataset=dict(type='CIFAR10', data_root='data', pipeline=[]))
    """

    def __init__(self, dataset: Any) -> None:
        if isinstance(dataset, dict):
            dataset = DATASETS.build(dataset)
        self.dataset = dataset

    @property
    def metainfo(self) -> dict:
        """Metainfo of the wrapped data set."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Build the list of samples."""
        self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """Return one sample before the pipeline runs."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        training = not getattr(self.dataset, 'test_mode', False)
        return load_or_replace(self.dataset, idx, self._load_item, training)

    def _load_item(self, idx: int) -> Any:
        with seed_for_sample(idx) as idx:
            return self.dataset[idx]
