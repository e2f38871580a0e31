"""One file of the feature store: written atomically, checked when read."""
from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
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
except ImportError:  # Windows has no file locks, see `wait_for_lock`
    fcntl = None


class Unusable(Exception):
    """Raised when a file cannot be used; its message says why."""


def write(path: Path, features: Tensor, key: dict,
          labels: Tensor | None = None, classes: Sequence[str] = ()) -> None:
    """Write features and their key, such that the file is complete or absent.

    With labels and class names, ``FeatureDataset`` reads the file as well.

    Args:
        path (Path): The file.
        features (Tensor): ``(N, D)``.
        key (dict): Everything that the features depend on, in JSON types.
        labels (Tensor, optional): ``(N, )``.
        classes (Sequence[str]): Names of the classes. Defaults to none.

    Raises:
        DeptError: If the file cannot be written.
    """
    tensors = dict(features=features.detach().cpu().contiguous())
    notes = dict(key=to_canonical_json(key),
                 sha256=compute_checksum(tensors['features']))
    if labels is not None:
        tensors['labels'] = labels
    if classes:
        notes['classes'] = json.dumps(list(classes))
    data = save(tensors, notes)
    with _explain_errors(path):
        write_atomically(path, data)


def read(path: Path, key: dict) -> Tensor:
    """Read features ``(N, D)``, mapped into memory.

    Args:
        path (Path): The file.
        key (dict): The key that the file must have.

    Raises:
        Unusable: If the file is absent, damaged, or has another key.
    """
    try:
        with safe_open(path, 'pt') as file:
            header = file.metadata() or {}
            features = file.get_tensor('features')
    except FileNotFoundError as error:
        raise Unusable('absent') from error
    except (SafetensorError, OSError) as error:
        raise Unusable(f'damaged ({error})') from error
    if header.get('key') != to_canonical_json(key):
        raise Unusable('for other images or another model')
    if header.get('sha256') != compute_checksum(features):
        raise Unusable('damaged (its checksum differs)')
    return features


@contextlib.contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Make the folder, and wait while another process writes the same file.

    The lock only saves duplicate work, so a file system without locks will do.
    The operating system releases the lock when its holder dies.
    """
    lock = path.with_name(path.name + '.lock')
    with _explain_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(lock, 'w')
    with file:
        try:
            _lock(file, path)
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.unlink()


@contextlib.contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DeptError(f'Feature store: {path} cannot be written ({error}). '
                        'Give another folder: --feature-dir DIR, or '
                        'FeatureStoreHook(root=DIR).') from error


def _lock(file, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print_log(f'Feature store: waiting for another process that makes '
                  f'{path}.', logger='current', level=logging.INFO)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return


def to_canonical_json(key: dict) -> str:
    """Return a text that is the same for equal keys."""
    return json.dumps(key, sort_keys=True)


def compute_checksum(features: Tensor) -> str:
    """Return the sha256 of a tensor's values."""
    # numpy has no bfloat16.
    data = features.contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(data).hexdigest()
