"""Safe reading of checkpoints that pickle objects of unknown classes.

Each such object is replaced by a stub: an empty object that runs no code.
"""
from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
)

from dept_mm.errors import DeptError

MAX_STUBS = 64
# Stubs of these would be safe too, but no real checkpoint names them.
SYSTEM = ('nt', 'os', 'posix', 'subprocess', 'sys')


class _Stub:
    """An empty object in place of one whose class must not be run."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs) -> None:
        pass

    def __setstate__(self, state) -> None:
        pass


class _DictStub(_Stub):
    """A plain dict in place of a dict with code, such as ``defaultdict``."""

    def __new__(cls, *args, **kwargs):
        return {}


def read_pickled(path: str | Path) -> tuple[dict, list[str]]:
    """Load a checkpoint that pickles objects, such as a live optimizer.

    The file goes through torch's safe unpickler. For each class that it
    refuses, an empty class of that name is registered and the file is read
    again, so that no code that the file names is ever imported or run.

    Args:
        path (str | Path): A file written by ``torch.save``.

    Returns:
        tuple[dict, list[str]]: The content, and the names of the classes that
        were replaced by empty ones.

    Raises:
        DeptError: If the file cannot be read, asks for a module of the
            operating system, or names very many classes.
    """
    stubs: dict[str, type] = {}
    while len(stubs) < MAX_STUBS:
        try:
            with _allow(stubs.values()):
                found = torch.load(path, map_location='cpu',
                                   weights_only=True)
            break
        # A hostile file may lead the unpickler to any error.
        except Exception as error:
            match = re.search(r'unsupported (?:GLOBAL|global: GLOBAL) (\S+)',
                              str(error), re.IGNORECASE)
            if not isinstance(error, pickle.UnpicklingError) or not match:
                raise DeptError(f'{path} cannot be read safely: '
                                f'{explain_refusal(error)}') from error
        name = match[1] if '.' in match[1] else f'builtins.{match[1]}'
        if name in stubs or name.partition('.')[0] in SYSTEM:
            raise DeptError(f'{path} cannot be read safely: it asks for '
                            f'{name}.')
        stubs[name] = _make_stub(name)
    else:
        raise DeptError(f'{path} names more than {MAX_STUBS} classes; that '
                        'is not a checkpoint.')
    if not isinstance(found, dict):
        raise DeptError(f'{path} holds a {type(found).__name__}, not a dict.')
    return found, sorted(stubs)


def explain_refusal(error: Exception) -> str:
    """Return torch's reason, without its advice to load unsafely."""
    said = re.sub(r'In PyTorch 2.6, .*trusted source\.|Check the doc.*', '',
                  str(error), flags=re.DOTALL)
    return said.partition('WeightsUnpickler error:')[2].strip()[:300] or (
        said.strip()[:300])


def _make_stub(path: str) -> type:
    module, _, name = path.rpartition('.')
    base = _DictStub if name == 'defaultdict' else _Stub
    return type(name, (base, ), dict(__module__=module, __qualname__=name))


@contextmanager
def _allow(stubs: Iterable[type]) -> Iterator[None]:
    """Let the safe unpickler accept stubs for a while.

    torch 2.4 has no context manager for this.
    """
    before = list(get_safe_globals())
    clear_safe_globals()
    add_safe_globals([*before, *stubs])
    try:
        yield
    finally:
        clear_safe_globals()
        add_safe_globals(before)
