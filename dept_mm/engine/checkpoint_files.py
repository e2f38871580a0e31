"""Checkpoint files: how they are written, checked and found."""
from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
from mmengine.fileio import LocalBackend, register_backend

from dept_mm.errors import DeptError
from dept_mm.utils.files import write_atomically

# Keys that MMEngine reads to resume; a best_*.pth has no optimizer.
NEEDED = ('meta', 'state_dict', 'message_hub', 'optimizer')
POINTER = 'last_checkpoint'


class AtomicBackend(LocalBackend):
    """Writes local files such that each is either complete or absent.

    Raises:
        DeptError: If a file cannot be written, for example on a full disk.
    """

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write bytes to a file."""
        path = Path(filepath)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, obj)
        except OSError as error:
            raise DeptError(
                f'{path.name} cannot be written to {path.parent.absolute()} '
                f'({error}). What was saved there before is intact: free '
                'some space and continue with --resume, or give another '
                'folder with --work-dir.') from error

    def put_text(self, obj: str, filepath: str | os.PathLike,
                 encoding: str = 'utf-8') -> None:
        """Write text to a file."""
        self.put(obj.encode(encoding), filepath)


register_backend(AtomicBackend.__name__, AtomicBackend, force=True)


def find_fault(path: Path, needed: tuple[str, ...] = ()) -> str | None:
    """Find out why a checkpoint is unusable, without executing what it holds.

    Args:
        path (Path): The file.
        needed (tuple[str]): Keys that it must have.

    Returns:
        str, optional: The reason, or None if the checkpoint is usable.
    """
    if not path.is_file():
        return 'there is no such file'
    try:
        if not zipfile.is_zipfile(path):
            with open(path, 'rb') as file:
                # The start of a zip archive that was cut off, or no bytes.
                if file.read(2) in (b'PK', b''):
                    return 'damaged, its end is missing'
        else:
            with zipfile.ZipFile(path) as archive:
                # torch itself does not compare the checksums.
                if broken := archive.testzip():
                    return f'damaged, the checksum of {broken} differs'
        found = torch.load(path, map_location='cpu', weights_only=True)
    except UnpicklingError:
        return ('damaged, or it holds pickled objects, which are code and are '
                'not executed')
    except Exception as error:  # parsers raise anything on random bytes
        return f'damaged ({type(error).__name__})'
    absent = [key for key in needed if key not in found]
    return f'without {", ".join(absent)}' if absent else None


def list_checkpoints(work_dir: Path) -> list[Path]:
    """List the checkpoints that a run may resume from, the newest first.

    The first is the one that the file ``last_checkpoint`` names, followed by
    those with lower numbers. Higher numbers are left over from an older run in
    the same folder. If the work dir was moved, its new place is searched.
    """
    pointer = work_dir / POINTER
    text = pointer.read_text().strip() if pointer.is_file() else ''
    named = Path(text)
    if text:
        start, last, end = re.fullmatch(r'(.*?)(\d*)(\D*)',
                                        named.name).groups()
    else:
        start, last, end = 'epoch_', '', '.pth'
    pattern = re.compile(f'{re.escape(start)}(\\d+){re.escape(end)}')
    usable = []
    for folder in (work_dir, named.parent):
        numbered = [(int(match[1]), path) for path in folder.glob('*')
                    if (match := pattern.fullmatch(path.name))]
        usable = usable or sorted((n for n in numbered if not last
                                   or n[0] <= int(last)), reverse=True)
    paths = [path for _, path in usable]
    if text and named.name not in [path.name for path in paths]:
        paths.insert(0, named)
    return paths
