"""Files that are complete or not there."""
from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from dept_mm.errors import DeptError


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Write a file so that its name never stands for a part of it.

    A process that is killed, or a full disk, leaves what was there before.

    Args:
        path (str | PathLike): The file; its folder must exist.
        data (bytes): All of its content.

    Raises:
        OSError: If it cannot be written.
    """
    path = Path(path)
    # Another process may be writing the same file.
    temporary = path.with_name(f'{path.name}.{uuid.uuid4().hex}.tmp')
    try:
        with open(temporary, 'xb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_parts(folder: str | os.PathLike) -> None:
    """Remove what killed processes have left of files in a folder."""
    for path in Path(folder).glob('*.tmp'):
        if re.fullmatch(r'.+\.[0-9a-f]{32}\.tmp', path.name):
            path.unlink(missing_ok=True)


def check_writable(folder: str | os.PathLike, remedy: str) -> None:
    """Make a folder, and try to write to it.

    Raises:
        DeptError: If that fails; it ends with the remedy.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f'.writable.{uuid.uuid4().hex}.tmp'
        write_atomically(probe, b'writable')
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise DeptError(f'{folder.absolute()} cannot be written to '
                        f'({error}). {remedy}') from error


def read_lines(path: str | os.PathLike) -> list[str]:
    """The lines of a text file, without the spaces around them.

    Raises:
        DeptError: If it is no text in utf-8.
    """
    try:
        return [line.strip()
                for line in Path(path).read_text('utf-8').split('\n')]
    except UnicodeDecodeError as error:
        raise DeptError(f'{path} is no text file in utf-8: {error}.'
                        ) from error
