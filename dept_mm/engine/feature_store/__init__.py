"""The feature store: what frozen parts of a model make of images, on disk.

Mostly these are features of a frozen image tower; ``choose_content`` knows
what else there is. Each file holds one view: all images of a data set under
one draw of the augmentation. Its key lists everything that it depends on.
Labels and class names are in it, too: it is a file for ``FeatureDataset``.
"""
from dept_mm.engine.feature_store.build import read_or_compute
from dept_mm.engine.feature_store.compute import compute_features
from dept_mm.engine.feature_store.content import (
    Content,
    check_parts,
    choose_content,
    image_features,
    refusal,
)
from dept_mm.engine.feature_store.extract import extract_split, extract_text
from dept_mm.engine.feature_store.file import Unusable, read, write
from dept_mm.engine.feature_store.key import build_key
from dept_mm.engine.feature_store.processes import run_in_all_processes
from dept_mm.engine.feature_store.view import View

__all__ = [
    'Content', 'Unusable', 'View', 'build_key', 'check_parts',
    'choose_content', 'compute_features', 'extract_split', 'extract_text',
    'image_features', 'read', 'read_or_compute', 'refusal',
    'run_in_all_processes', 'write'
]
