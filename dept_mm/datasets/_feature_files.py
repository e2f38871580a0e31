"""Reading features and labels from files."""
from __future__ import annotations

from functools import lru_cache

from torch import Tensor
from torch.nn import functional as F

from dept_mm.utils.arrays import read_array, split_place

from ._feature_checks import check_features


def rescale(features: Tensor, length: float | None) -> Tensor:
    """Convert features ``(..., D)`` to fp32 and, if asked, to a length."""
    features = features.float()
    if length is None:
        return features
    return length * F.normalize(features, dim=-1)


def read_labels(where: str, folder: str) -> Tensor | list[str]:
    """Read labels; a row of zeros with a single one is the label of the one.
    """
    found = read_array(where, 'labels', folder)
    if not isinstance(found, list) and found.ndim == 2 and bool(
            ((found == 1).sum(1) == 1).all() and (found != 0).sum()
            == len(found)):
        return found.argmax(1)
    return found


def read_checked(where: str, folder: str, transposed: bool = False
                 ) -> Tensor:
    """Read features and check them, once until the file changes."""
    path, _ = split_place(where, folder)
    stamp = path.stat().st_mtime_ns if path.is_file() else None
    return _read_once(where, folder, transposed, stamp)


@lru_cache(maxsize=8)
def _read_once(where: str, folder: str, transposed: bool, stamp: int | None
               ) -> Tensor:
    found = read_array(where, 'features', folder)
    if transposed and not isinstance(found, list):
        found = found.T
    check_features(found, where)
    return found
