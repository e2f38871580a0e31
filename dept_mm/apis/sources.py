"""Find the images that a user means."""
from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from glob import glob
from pathlib import Path

import numpy as np
from PIL.Image import Image
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from dept_mm.errors import DeptError


def is_url(source: str) -> bool:
    """Return whether a text is an address on the web."""
    return re.match(r'https?://', source, re.IGNORECASE) is not None


def find_images(images, allow_urls: bool = False
                ) -> list[str | Image | np.ndarray | Tensor]:
    """List single images.

    Args:
        images: An image in any form of ``TunedModel``, or several.
        allow_urls (bool): Whether an address may be read. Defaults to False.

    Returns:
        list: Paths, PIL images, arrays and tensors ``(3, H, W)``.

    Raises:
        DeptError: If a file is missing, there are no images, or something is
            of another form.
    """
    if isinstance(images, (str, Path, Image, np.ndarray, Tensor)):
        images = [images]
    found = []
    for image in images:
        if isinstance(image, (str, Path)):
            found += _find_files(str(image), allow_urls)
        elif isinstance(image, Tensor) and image.ndim == 4:
            found += image
        elif isinstance(image, (Image, np.ndarray, Tensor)):
            found.append(image)
        else:
            raise DeptError(f'A {type(image).__name__} is no image: give a '
                            'path, a PIL image, an array or a tensor.')
    if not found:
        raise DeptError('There are no images: the list is empty.')
    return found


def _find_files(source: str, allow_urls: bool) -> Sequence[str]:
    """List the image files that a text stands for."""
    if is_url(source):
        if not allow_urls:
            raise DeptError(
                f'{source} is an address. Nothing is downloaded unless you '
                'allow it, by allow_urls=True or --allow-urls; or save the '
                'image and give its path.')
        return [source]
    path = Path(source).expanduser()
    if path.is_dir():
        found = _list_folder(path)
        if not found:
            raise DeptError(f'The folder {path} has no images; files that end '
                            f'in {", ".join(IMG_EXTENSIONS)} are images.')
        return found
    if path.is_file():
        return _read_csv(path) if path.suffix == '.csv' else [str(path)]
    if any(sign in source for sign in '*?['):
        found = sorted(glob(str(path), recursive=True))
        if not found:
            raise DeptError(f'The pattern {source!r} matches no file.')
        return [file for match in found
                for file in _find_files(match, allow_urls)]
    raise DeptError(f'Image not found: {path.absolute()}.')


def _list_folder(folder: Path) -> list[str]:
    """List the images below a folder by their file extension; what is hidden
    is left out."""
    return [str(path) for path in sorted(folder.rglob('*'))
            if path.suffix.lower() in IMG_EXTENSIONS and path.is_file()
            and not any(part.startswith('.') for part
                        in path.relative_to(folder).parts)]


def _read_csv(path: Path) -> list[str]:
    """Read the column ``path`` of a csv file; a relative path starts from
    the folder of the file.

    Raises:
        DeptError: If it has no such column or no row, or is no csv file.
    """
    try:
        # Excel starts utf-8 files with a byte order mark.
        with open(path, encoding='utf-8-sig', newline='') as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise DeptError(f'{path} is not a csv file in utf-8: {error}.'
                        ) from error
    found = [(row.get('path') or '').strip() for row in rows]
    if not found or not all(found):
        raise DeptError(f"{path} needs a header with a column 'path' and the "
                        'path of an image in each row.')
    return [str(path.parent / file) for file in found]
