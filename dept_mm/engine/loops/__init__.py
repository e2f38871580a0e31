"""Validation and test loops that evaluate several data sets."""
from dept_mm.engine.loops.multi_dataset_loop import (
    MultiDataset,
    MultiDatasetTestLoop,
    MultiDatasetValLoop,
    each_dataset,
)

__all__ = [
    'MultiDataset', 'MultiDatasetTestLoop', 'MultiDatasetValLoop',
    'each_dataset'
]
