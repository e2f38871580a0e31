"""The key of stored features: everything that they depend on."""
from __future__ import annotations

import hashlib
import os
import os.path as osp
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import cv2
import mmcv
import mmpretrain
import numpy as np
import open_clip
import PIL
import timm
from mmpretrain.models.utils import ClsDataPreprocessor

from dept_mm.datasets.stored_features import packer, sample_infos
from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.version import __version__

FORMAT = 1
# Libraries that decode and resize images or run the image tower.
LIBRARIES = (cv2, mmcv, mmpretrain, open_clip, PIL, timm)


def build_key(clip: FrozenCLIP, preprocessor: ClsDataPreprocessor,
              config: Any, dataset: Any) -> dict:
    """Build the key of a data set's image features, without the augmentation.

    It covers the image tower, the preprocessing, the config of the pipeline,
    the images, and the versions of the libraries involved. ``View`` adds the
    seed and the epoch of the augmentation.

    Args:
        clip (FrozenCLIP): The CLIP.
        preprocessor (ClsDataPreprocessor): The model's preprocessor.
        config (dict): Config of the data set.
        dataset (Dataset): The data set built from it.

    Returns:
        dict: The key, in JSON types.
    """
    statistics = [getattr(preprocessor, name).flatten().tolist()
                  for name in ('mean', 'std')]
    return dict(
        format=FORMAT,
        libraries=dict(dept_mm=__version__, **{
            library.__name__: library.__version__ for library in LIBRARIES}),
        clip=dict(sha256=clip.digest, precision=clip.precision,
                  spec=_plain(asdict(clip.spec)),
                  architecture=_plain(clip.architecture)),
        preprocess=[*statistics, preprocessor.to_rgb,
                    preprocessor.pad_size_divisor, preprocessor.pad_value],
        pipelines=[_plain(p) for p in _find_pipelines(config)],
        num_images=len(dataset),
        images=digest_images(dataset))


def digest_images(dataset: Any) -> str:
    """Hash the list of images, in its order.

    A file is identified by its size, its change time (``ctime``) and its path
    below the common folder of all files; an image in memory by its pixels.
    The system sets the change time whenever a file is written, replaced or
    touched, and no program can set it back, unlike the modification time. So
    one look at each file, without reading it, notices every change. A data
    set may be moved by ``mv`` within its file system. A copy, whose files are
    new, has another hash, and so has one whose permissions were changed.

    Returns:
        str: Sha256 as hexadecimal digits.

    Raises:
        DeptError: If a file does not exist.
    """
    key = packer(dataset).input_key
    infos = list(sample_infos(dataset))
    paths = [osp.abspath(info['img_path']) for info in infos
             if info.get(key) is None and 'img_path' in info]
    root = osp.dirname(osp.commonprefix(paths)) if paths else ''
    found = hashlib.sha256()
    for info in infos:
        if info.get(key) is not None:
            pixels = np.ascontiguousarray(info[key])
            found.update(f'{pixels.shape} {pixels.dtype}\n'.encode())
            found.update(pixels.tobytes())
            continue
        path = osp.abspath(info.get('img_path', ''))
        try:
            state = os.stat(path)
        except OSError as error:
            raise DeptError(
                f'Feature store: image not found: {path}. Check data_root '
                'and data_prefix; images must be files on this machine.'
            ) from error
        found.update(f'{osp.relpath(path, root)} {state.st_size} '
                     f'{state.st_ctime_ns}\n'.encode())
    return found.hexdigest()


def _find_pipelines(node: Any) -> Iterator[Any]:
    """Yield every pipeline in a config, including those inside wrappers."""
    if isinstance(node, dict):
        for name, value in sorted(node.items()):
            if name == 'pipeline':
                yield value
            else:
                yield from _find_pipelines(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _find_pipelines(value)


def _plain(value: Any) -> Any:
    """Convert a value to JSON types, other objects by their representation.

    A representation that contains an address never matches again, so that the
    features are then computed anew.
    """
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return repr(value)
