"""Reading one array from a file of any common format, never executing it."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from dept_mm.errors import DeptError

Opened = Mapping[str, Callable[[], Any]]
ALONE = ''  # name of the only array of a file that names none


def read_array(where: str, role: str, folder: str = ''
               ) -> Tensor | list[str]:
    """Read one array.

    Args:
        where (str): ``FILE`` or ``FILE:NAME``. Without a name, the file has
            one array, or one that is named after its role.
        role (str): What the array is, such as ``'labels'``.
        folder (str): Folder of the file, unless its path is absolute.

    Returns:
        Tensor | list[str]: Numbers, mapped into memory where the format
        allows it, or strings.

    Raises:
        DeptError: If there is no such file or array, its format is unknown,
            or it holds other objects than numbers and strings.
    """
    path, name = split_place(where, folder)
    if not path.is_file():
        raise DeptError(f'{role}: file not found: {path.absolute()}.')
    try:
        found = OPENERS[path.suffix](path)
        return _as_numbers(_choose(found, name, role, path)())
    except DeptError:
        raise
    except ImportError as error:
        raise DeptError(f'{role}: {path} needs another package: {error}. '
                        'Install it, or write .npy.') from error
    except Exception as error:  # whatever a file from anybody leads to
        raise DeptError(f'{role}: {path} cannot be read: {error!r:.300}'
                        ) from error


def split_place(where: str, folder: str = '') -> tuple[Path, str | None]:
    """Split ``FILE:NAME`` into the path below a folder and the name.

    Raises:
        DeptError: If the format is unknown.
    """
    name = None
    if Path(where).suffix not in OPENERS:
        where, _, name = where.rpartition(':')
    path = Path(folder, where).expanduser()
    if path.suffix not in OPENERS:
        raise DeptError(f'{where or name!r} is no array: write FILE or '
                        f'FILE:NAME with a file of {list(OPENERS)}.')
    return path, name


def read_notes(path: Path) -> dict[str, Any]:
    """Read what a safetensors file says beside its arrays: each value of its
    metadata that is JSON. Other formats say nothing."""
    if path.suffix != '.safetensors' or not path.is_file():
        return {}
    notes = {}
    with safe_open(path, 'pt') as file:
        for key, text in (file.metadata() or {}).items():
            try:
                notes[key] = json.loads(text)
            except ValueError:
                continue
    return notes


def _choose(found: Opened, name: str | None, role: str, path: Path
            ) -> Callable[[], Any]:
    for key in (name, ) if name is not None else (ALONE, role):
        if key in found:
            return found[key]
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    wanted = role if name is None else name
    raise DeptError(f'{role}: {path} has no array {wanted!r}. It has '
                    f'{sorted(found)}: write {path.name}:NAME.')


def _as_numbers(found: Any) -> Tensor | list[str]:
    if isinstance(found, Tensor):
        return found.detach()
    found = np.asarray(found)
    if found.dtype.kind == 'O' and all(isinstance(x, str) for x in found):
        found = found.astype(str)
    if found.dtype.kind in 'US':
        return found.astype(str).ravel().tolist()
    if found.dtype.kind not in 'biuf':
        raise DeptError(f'it holds {found.dtype}, not numbers or strings')
    return torch.from_numpy(found)


def _open_npy(path: Path) -> Opened:
    # Copy-on-write, because torch warns of memory that is read-only.
    array = np.load(path, mmap_mode='c', allow_pickle=False)
    return {ALONE: lambda: array}


def _open_npz(path: Path) -> Opened:
    file = np.load(path, allow_pickle=False)
    return {key: partial(file.__getitem__, key) for key in file.files}


def _open_safetensors(path: Path) -> Opened:
    file = safe_open(path, 'pt')
    return {key: partial(file.get_tensor, key) for key in file.keys()}


def _open_torch(path: Path) -> Opened:
    found = torch.load(path, map_location='cpu', weights_only=True)
    if not isinstance(found, Mapping):
        found = {ALONE: found}
    return {key: lambda value=value: value for key, value in found.items()}


def _open_parquet(path: Path) -> Opened:
    from pyarrow import parquet  # of no use to anything else here

    def column(key: str) -> np.ndarray:
        return np.array(parquet.read_table(path, columns=[key])[0]
                        .to_pylist())
    return {key: partial(column, key)
            for key in parquet.read_schema(path).names}


OPENERS = {'.npy': _open_npy, '.npz': _open_npz, '.pt': _open_torch,
           '.pth': _open_torch, '.safetensors': _open_safetensors,
           '.parquet': _open_parquet}
