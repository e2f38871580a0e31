"""Checkpoints as files: written whole, and looked at before they are used."""
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

# What mmengine's resume reads; a best_*.pth has no optimizer.
NEEDED = ('meta', 'state_dict', 'message_hub', 'optimizer')
POINTER = 'last_checkpoint'


class AtomicBackend(LocalBackend):
    """mmengine's local files, of which none is ever half written.

    Raises:
        DeptError: If a file cannot be written, e.g. on a full disk.
    """

    def put(self, obj: bytes, filepath: str | os.PathLike) -> None:
        """Write a file."""
        path = Path(filepath)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, obj)
        except OSError as error:
            raise DeptError(
                f'{path.name} cannot be written to {path.parent.absolute()} '
                f'({error}). What was saved there before is intact: make '
                'room and go on with --resume, or give another folder with '
                '--work-dir.') from error

    def put_text(self, obj: str, filepath: str | os.PathLike,
                 encoding: str = 'utf-8') -> None:
        """Write a text."""
        self.put(obj.encode(encoding), filepath)


register_backend(AtomicBackend.__name__, AtomicBackend, force=True)


def fault(path: Path, needed: tuple[str, ...] = ()) -> str | None:
    """Say why a checkpoint is of no use, without executing what it holds.

    Args:
        path (Path): The file.
        needed (tuple[str]): Keys that it must have.

    Returns:
        str, optional: The reason; None if there is none.
    """
    if not path.is_file():
        return 'there is no such file'
    try:
        if not zipfile.is_zipfile(path):
            with open(path, 'rb') as file:
                # Of a zip archive without its end, or of nothing at all.
                if file.read(2) in (b'PK', b''):
                    return 'damaged, its end is missing'
        else:
            with zipfile.ZipFile(path) as archive:
                # torch itself does not look at the checksums.
                if broken := archive.testzip():
                    return f'damaged, the checksum of {broken} differs'
        found = torch.load(path, map_location='cpu', weights_only=True)
    except UnpicklingError:
        return ('damaged, or with pickled objects in it, which are code and '
                'not executed')
    except Exception as error:  # whatever a parser says to random bytes
        return f'damaged ({type(error).__name__})'
    absent = [key for key in needed if key not in found]
    return f'without {", ".join(absent)}' if absent else None


def candidates(work_dir: Path) -> list[Path]:
    """Checkpoints that a run may go on from, the newest first.

    The first is the one that ``last_checkpoint`` names. The others are of
    lower numbers: higher ones are left over from an older run in the same
    folder. A work dir that was moved is searched at its new place.
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
