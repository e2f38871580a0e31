"""The feature store: image features of a frozen image tower, kept on disk.

Each file holds the features of one view: all images of a data set under one
draw of the augmentation. Its key lists everything that the features depend on.
Labels and class names are in it, too: it is a file for ``FeatureDataset``.
"""
from dept_mm.engine.feature_store.build import read_or_compute
from dept_mm.engine.feature_store.compute import compute_features
from dept_mm.engine.feature_store.extract import extract_split, extract_text
from dept_mm.engine.feature_store.file import Unusable, read, write
from dept_mm.engine.feature_store.key import build_key
from dept_mm.engine.feature_store.processes import run_in_all_processes
from dept_mm.engine.feature_store.view import View

__all__ = [
    'Unusable', 'View', 'build_key', 'compute_features', 'extract_split',
    'extract_text', 'read', 'read_or_compute', 'run_in_all_processes', 'write'
]
