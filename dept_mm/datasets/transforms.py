"""Load and crop images in the way that CLIP was trained with."""
from __future__ import annotations

import io
import os.path as osp
from collections.abc import Mapping, Sequence

import numpy as np
from mmcv.transforms import BaseTransform, CenterCrop, Resize
from mmengine import fileio
from mmpretrain.datasets.transforms import RandomResizedCrop, ResizeEdge
from PIL import Image, UnidentifiedImageError

from dept_mm.errors import DeptError, UnreadableImage
from dept_mm.registry import TRANSFORMS

MAX_RATIO = 1000  # of the sides of an image


@TRANSFORMS.register_module()
class LoadRGBImage(BaseTransform):
    """Load an image with PIL, as the public CLIP code does.

    PIL and OpenCV (which MMPretrain's ``LoadImageFromFile`` uses) disagree on
    grey, transparent and rotated images. The channels are nevertheless in
    OpenMMLab's order, BGR. If the sample already holds an image, because an
    inferencer or :class:`DrawnShapes` put it there, that one is kept.

    **Required Keys:** img_path, or img (H, W, 3), uint8, BGR

    **Added Keys:** img (H, W, 3), img_shape, ori_shape

    Args:
        backend_args (dict, optional): Storage backend of the files; see
            ``mmengine.fileio``. Defaults to None, the local disk.

    Raises:
        DeptError: If the file is missing.
        UnreadableImage: If the file cannot be read, has more than 8 bits per
            channel, or one side more than 1000 times as long as the other.

    Examples:
        >>> pipeline = [dict(type='LoadRGBImage')]
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load the image unless the sample already holds one."""
        if results.get('img') is None:
            results['img'] = self._load(results['img_path'])
        shape = results['img'].shape[:2]
        results.setdefault('img_shape', shape)
        results.setdefault('ori_shape', shape)
        return results

    def _load(self, path: str) -> np.ndarray:
        try:
            data = fileio.get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise DeptError(
                f'Image not found: {osp.abspath(path)}. Check data_root and '
                'data_prefix of the data set.') from error
        except OSError as error:  # a broken disk, say
            raise self._unreadable(path, error) from error
        try:
            with Image.open(io.BytesIO(data)) as image:
                return convert_to_bgr(image)
        except UnidentifiedImageError as error:  # PIL names a BytesIO
            raise self._unreadable(path, 'it is no image') from error
        # PIL's decoders raise what they like: OSError, SyntaxError, ...
        except Exception as error:
            raise self._unreadable(path, error) from error

    @staticmethod
    def _unreadable(path: str, error: Exception | str) -> UnreadableImage:
        return UnreadableImage(
            f'Image cannot be read: {osp.abspath(path)} ({error}).')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(backend_args={self.backend_args})'


def convert_to_bgr(image: Image.Image) -> np.ndarray:
    """Convert a PIL image to an array ``(H, W, 3)``, uint8, BGR.

    Raises:
        ValueError: If it has more than 8 bits per channel, or one side more
            than 1000 times as long as the other.
    """
    _check_kind(image)
    return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])


def _check_kind(image: Image.Image) -> None:
    """Refuse images that PIL would silently make white or black, and those
    that would be gigabytes when their shorter side is resized."""
    if image.mode[0] in 'IF':
        raise ValueError(f'mode {image.mode!r} has more than 8 bits per '
                         'channel; convert it with the range of its values')
    if max(image.size) > MAX_RATIO * min(image.size):
        raise ValueError(f'its sides are {image.width} and {image.height}')


class _CLIPTransform(BaseTransform):
    """A sequence of stock transforms, configured for a CLIP."""

    def __init__(self, *steps: BaseTransform) -> None:
        self.steps = steps

    def transform(self, results: dict) -> dict:
        for step in self.steps:
            results = step(results)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}{self.steps}'


def _look_up(clip: Mapping) -> tuple[int, dict, str]:
    """Look up the image size, the interpolation and the resize mode of a CLIP.

    Images are always resized with PIL. It filters when it makes an image
    smaller, as in CLIP's own training; OpenCV and plain tensor resizing do
    not.
    """
    # Imported here because transforms must not need the models.
    from dept_mm.models.clip.spec import clip_spec
    spec = clip_spec(clip)
    # In open_clip every value but 'bilinear' means bicubic, even 'random'.
    name = 'bilinear' if spec.interpolation == 'bilinear' else 'bicubic'
    resize = dict(interpolation=name, backend='pillow')
    return spec.image_size, resize, spec.resize_mode


@TRANSFORMS.register_module()
class CLIPRandomResizedCrop(_CLIPTransform):
    """Cut out a random part and resize it to the image size of a CLIP.

    CoOp and DePT train with this crop, which is torchvision's
    ``RandomResizedCrop``.

    Args:
        clip (Mapping): Config of the CLIP.
        scale (Sequence[float]): Range of the crop's area, as a fraction of
            the image's area. Defaults to (0.08, 1.0).
        ratio (Sequence[float]): Range of the crop's width divided by its
            height. Defaults to (3 / 4, 4 / 3).

    Examples:
        >>> transform = dict(type='CLIPRandomResizedCrop', clip=_base_.clip)
    """

    def __init__(self,
                 clip: Mapping,
                 scale: Sequence[float] = (0.08, 1.0),
                 ratio: Sequence[float] = (3 / 4, 4 / 3)) -> None:
        size, resize, _ = _look_up(clip)
        super().__init__(
            RandomResizedCrop(
                size,
                crop_ratio_range=tuple(scale),
                aspect_ratio_range=tuple(ratio),
                **resize))


@TRANSFORMS.register_module()
class CLIPResizeCenterCrop(_CLIPTransform):
    """Resize the shorter side to the image size of a CLIP, and cut out the
    centre.

    The result equals that of open_clip's own inference transform, pixel by
    pixel. If the resize mode of the CLIP is 'squash' (SigLIP), the whole
    image is resized to a square instead.

    Args:
        clip (Mapping): Config of the CLIP.

    Raises:
        DeptError: If the CLIP has another resize mode.

    Examples:
        >>> transform = dict(type='CLIPResizeCenterCrop', clip=_base_.clip)
    """

    def __init__(self, clip: Mapping) -> None:
        size, resize, mode = _look_up(clip)
        if mode == 'shortest':
            steps = ResizeEdge(size, edge='short', **resize), CenterCrop(size)
        elif mode == 'squash':
            steps = (Resize((size, size), **resize), )
        else:
            raise DeptError(f'The CLIP {dict(clip)} wants images resized by '
                            f"{mode!r}; 'shortest' and 'squash' are there.")
        super().__init__(*steps)
