"""What stored features are features of."""
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
from dept_mm.models.clip.spec import architecture
from dept_mm.version import __version__

FORMAT = 1
# What decodes and resizes images, and runs the image tower.
LIBRARIES = (cv2, mmcv, mmpretrain, open_clip, PIL, timm)


def store_key(clip: FrozenCLIP, preprocessor: ClsDataPreprocessor,
              config: Any, dataset: Any) -> dict:
    """Everything that image features depend on, except the augmentation's
    seed and epoch; JSON types only.

    That is the image tower, the preprocessing, the config of the pipeline,
    the images, and the libraries that this happens in.

    Args:
        clip (FrozenCLIP): The CLIP.
        preprocessor (ClsDataPreprocessor): The model's.
        config (dict): Config of the data set.
        dataset (Dataset): The data set built from it.
    """
    statistics = [getattr(preprocessor, name).flatten().tolist()
                  for name in ('mean', 'std')]
    return dict(
        format=FORMAT,
        libraries=dict(dept_mm=__version__, **{
            library.__name__: library.__version__ for library in LIBRARIES}),
        clip=dict(sha256=clip.digest, precision=clip.precision,
                  spec=_plain(asdict(clip.spec)),
                  architecture=_plain(architecture(dict(name=clip.name)))),
        preprocess=[*statistics, preprocessor.to_rgb,
                    preprocessor.pad_size_divisor, preprocessor.pad_value],
        pipelines=[_plain(p) for p in _pipelines(config)],
        num_images=len(dataset),
        images=images_digest(dataset))


def images_digest(dataset: Any) -> str:
    """Digest of the list of images, in its order.

    A file counts by its path below the folder that holds all of them, its
    size and its time of change; an image in memory by its pixels. So a data
    set may move (with its times, as ``mv``, ``tar`` and ``rsync -a`` keep
    them), while a changed or exchanged image is noticed.

    Raises:
        DeptError: If a file is not there.
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
                     f'{state.st_mtime_ns}\n'.encode())
    return found.hexdigest()


def _pipelines(node: Any) -> Iterator[Any]:
    """Every pipeline in a config, also of data sets in wrappers."""
    if isinstance(node, dict):
        for name, value in sorted(node.items()):
            if name == 'pipeline':
                yield value
            else:
                yield from _pipelines(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _pipelines(value)


def _plain(value: Any) -> Any:
    """JSON types. Of others, what their representation says: one with an
    address in it never matches, and the features are computed anew."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return repr(value)
