"""The feature store: image features of a frozen image tower, kept on disk.

Each file holds the features of one view: all images of a data set under one
draw of the augmentation. Its key lists everything that the features depend on.
"""
from dept_mm.engine.feature_store.build import read_or_compute
from dept_mm.engine.feature_store.compute import compute_features
from dept_mm.engine.feature_store.file import Unusable, read, write
from dept_mm.engine.feature_store.key import build_key
from dept_mm.engine.feature_store.processes import run_in_all_processes
from dept_mm.engine.feature_store.view import View

__all__ = [
    'Unusable', 'View', 'build_key', 'compute_features', 'read',
    'read_or_compute', 'run_in_all_processes', 'write'
]
