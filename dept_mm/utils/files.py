"""Writing files atomically (complete or not at all), and reading text."""
from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from dept_mm.errors import DeptError


def write_atomically(path: str | os.PathLike, data: bytes) -> None:
    """Write a file such that its name never stands for half of it.

    If the process is killed or the disk is full, the previous file stays.

    Args:
        path (str | PathLike): The file; its folder must exist.
        data (bytes): The whole content.

    Raises:
        OSError: If the file cannot be written.
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
    """Remove the temporary files that killed processes left in a folder."""
    for path in Path(folder).glob('*.tmp'):
        if re.fullmatch(r'.+\.[0-9a-f]{32}\.tmp', path.name):
            path.unlink(missing_ok=True)


def check_writable(folder: str | os.PathLike, remedy: str) -> None:
    """Create a folder, and check that it is writable.

    Args:
        folder (str | PathLike): The folder.
        remedy (str): What the user can do otherwise; it ends the message.

    Raises:
        DeptError: If files cannot be written there.
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
    """Read the lines of a text file, without spaces around each.

    Raises:
        DeptError: If it is not a text in UTF-8.
    """
    try:
        return [line.strip()
                for line in Path(path).read_text('utf-8').split('\n')]
    except UnicodeDecodeError as error:
        raise DeptError(f'{path} is not a text file in utf-8: {error}.'
                        ) from error
