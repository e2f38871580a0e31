"""A few-shot data set without files: every image is drawn when it is read."""
from functools import lru_cache
from pathlib import PurePosixPath
from random import Random
from typing import Any
from zlib import crc32

import numpy as np

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS

from .drawings import HELD_OUT, STYLES, Drawing, draw
from .few_shot import FewShotDataset
from .splits import Item, Splits

# Number of images per class.
_SIZES = dict(train=32, val=8, test=50)


# Room for all images, 35 MB: each is drawn once, not in each epoch.
@lru_cache(sum(_SIZES.values()) * len(HELD_OUT))
def draw_key(key: str, image_size: int = 64,
             style: str = 'sketch') -> np.ndarray:
    """Draw the image that belongs to a key, the same one on every machine.

    Args:
        key (str): For example 'striped red triangle/test/0007'. Its first
            part is the class; a checksum of the whole key determines count,
            size, background and everything else.
        image_size (int): Side of the image, in pixels.
        style (str): A key of ``drawings.STYLES``.

    Returns:
        np.ndarray: RGB, uint8, (image_size, image_size, 3); it cannot be
        written to, because it is kept.
    """
    seed = crc32(key.encode())
    drawing = Drawing.sample(PurePosixPath(key).parts[0], Random(seed))
    image = draw(drawing, seed, image_size, style)
    image.setflags(write=False)
    return image


@DATASETS.register_module()
class DrawnShapes(FewShotDataset):
    """Coloured and textured shapes: the downstream task of the demo CLIP.

    The demo CLIP was not trained on the 32 classes, which are combinations
    such as 'striped red triangle', nor on the default style. Nothing is on
    disk: a sample holds the image itself under ``img`` (BGR, as
    ``LoadImageFromFile`` would return it), and ``img_path`` is only a key.
    The pipeline therefore needs no loading step.

    Args:
        image_size (int): Side of the images. Defaults to 64.
        style (str): A key of ``drawings.STYLES``; 'clean' is the style the
            demo CLIP was trained on. Defaults to 'sketch'.
        **kwargs: See :class:`FewShotDataset`; there are no paths.

    Raises:
        DeptError: If the style is unknown.

    Examples:
        >>> dataset = dict(type='DrawnShapes', style='sketch')
    """

    def __init__(self, *, image_size: int = 64, style: str = 'sketch',
                 **kwargs) -> None:
        if style not in STYLES:
            raise DeptError(f'style={style!r} is unknown: choose one of '
                            f'{list(STYLES)}.')
        self.image_size = image_size
        self.style = style
        super().__init__(
            ann_file='', data_root='', data_prefix='', **kwargs)

    def read(self) -> Splits:
        """List all keys; the base classes come first.

        Returns:
            Splits: 32 classes with 32 / 8 / 50 images each.
        """
        items = {
            split: [
                Item(f'{name}/{split}/{i:04d}', label)
                for label, name in enumerate(HELD_OUT) for i in range(size)
            ]
            for split, size in _SIZES.items()
        }
        return Splits(classes=list(HELD_OUT), **items)

    def item_path(self, item: Item) -> str:
        """Return the key itself: no folder belongs in front of it."""
        return item.path

    @property
    def source(self) -> str:
        """Name of the class, which error messages show instead of a path."""
        return type(self).__name__

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return one sample with its image.

        Returns:
            dict: The sample of ``FewShotDataset``, plus ``img`` (uint8 BGR,
            (H, W, 3)), ``img_shape`` and ``ori_shape`` (H, W).
        """
        info = super().get_data_info(idx)
        image = draw_key(info['img_path'], self.image_size, self.style)
        info['img'] = np.ascontiguousarray(image[..., ::-1])
        info['img_shape'] = info['ori_shape'] = image.shape[:2]
        return info
