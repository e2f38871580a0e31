"""Image features of a frozen image tower on disk."""
from dept_mm.engine.feature_store.build import ensure
from dept_mm.engine.feature_store.compute import compute_features
from dept_mm.engine.feature_store.file import Unusable, read, write
from dept_mm.engine.feature_store.key import store_key
from dept_mm.engine.feature_store.together import together
from dept_mm.engine.feature_store.view import View

__all__ = [
    'Unusable', 'View', 'compute_features', 'ensure', 'read', 'store_key',
    'together', 'write'
]
