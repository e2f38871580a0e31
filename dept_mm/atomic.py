"""Files that are complete or not there."""
from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under another name and put it in its place at once.

    Args:
        path (Path): The file; its folder is there.
        data (bytes): What it is to hold.
    """
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
