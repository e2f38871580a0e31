"""Evaluation loops."""
from dept_mm.engine.loops.multi_dataset_loop import (
    MultiDatasetTestLoop,
    MultiDatasetValLoop,
    each_dataset,
)

__all__ = ['MultiDatasetTestLoop', 'MultiDatasetValLoop', 'each_dataset']
