"""One file of the feature store: safe to write, checked when it is read."""
from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.logging import print_log
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.utils.files import write_atomically

try:
    import fcntl
except ImportError:  # Windows: nothing to wait with, see `locked`
    fcntl = None


class Unusable(Exception):
    """Why a file does not hold what it should."""


def write(path: Path, features: Tensor, key: dict) -> None:
    """Write features with their key: the file is complete or not there.

    Args:
        path (Path): The file.
        features (Tensor): ``(N, D)``.
        key (dict): What they are features of; JSON types only.

    Raises:
        DeptError: If the file cannot be written.
    """
    features = features.detach().cpu().contiguous()
    data = save(dict(features=features),
                dict(key=canonical(key), sha256=checksum(features)))
    with _explained(path):
        write_atomically(path, data)


def read(path: Path, key: dict) -> Tensor:
    """Features ``(N, D)``, mapped into memory.

    Raises:
        Unusable: If the file is absent, damaged, or of another key.
    """
    try:
        with safe_open(path, 'pt') as file:
            header = file.metadata() or {}
            features = file.get_tensor('features')
    except FileNotFoundError as error:
        raise Unusable('absent') from error
    except (SafetensorError, OSError) as error:
        raise Unusable(f'damaged ({error})') from error
    if header.get('key') != canonical(key):
        raise Unusable('of other images or another model')
    if header.get('sha256') != checksum(features):
        raise Unusable('damaged (its checksum differs)')
    return features


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for another process that makes the same file.

    It only saves double work, so a file system without locks will do. The
    system lets go of the lock when its holder dies. Makes the folder.
    """
    lock = path.with_name(path.name + '.lock')
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(lock, 'w')
    with file:
        try:
            _wait(file, path)
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DeptError(f'Feature store: {path} cannot be written ({error}). '
                        'Give another folder: --feature-dir DIR, or '
                        'FeatureStoreHook(root=DIR).') from error


def _wait(file, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print_log(f'Feature store: another process makes {path}, waiting '
                  'for it.', logger='current', level=logging.INFO)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return


def canonical(key: dict) -> str:
    """The same text for equal keys."""
    return json.dumps(key, sort_keys=True)


def checksum(features: Tensor) -> str:
    """Sha256 of the values."""
    # numpy has no bfloat16.
    data = features.contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(data).hexdigest()
