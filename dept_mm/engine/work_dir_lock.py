"""A lock on a work dir, which ends with the process that holds it."""
from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from dept_mm.errors import DeptError

LOCK = '.training.lock'
# Path of a lock -> the process that holds it, and the open file.
_HELD: dict[str, tuple[int, IO]] = {}


def lock_work_dir(work_dir: str | os.PathLike) -> None:
    """Keep other processes from training in a work dir.

    The lock is of the kind that the kernel drops when this process ends, in
    whatever way, and that data loader workers do not inherit. This process
    may lock the folder again, for example after Ctrl-C in a notebook.

    Raises:
        DeptError: If another process trains there.
    """
    if os.name != 'posix':
        return
    import fcntl
    path = str(Path(work_dir, LOCK).resolve())
    if path in _HELD and _HELD[path][0] == os.getpid():
        return
    file = open(path, 'a')
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        raise DeptError(
            f'{Path(work_dir).absolute()}: another process trains in this '
            'folder, and its checkpoints would be overwritten. Give another '
            'folder, --work-dir DIR, or wait until it has ended.') from None
    except OSError:  # a file system without locks
        pass
    _HELD[path] = os.getpid(), file


def unlock_work_dir(work_dir: str | os.PathLike) -> None:
    """Let other processes train in a work dir again."""
    held = _HELD.pop(str(Path(work_dir, LOCK).resolve()), None)
    if held:
        held[1].close()
