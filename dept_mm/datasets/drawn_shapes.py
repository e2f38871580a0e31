"""DrawnShapes: a few-shot data set without files, drawn while it is read."""
from pathlib import PurePosixPath
from random import Random
from typing import Any
from zlib import crc32

import numpy as np

from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS

from .drawings import HELD_OUT, STYLES, Drawing, draw
from .few_shot import FewShotDataset, Item, Splits

# Images of each class.
_SIZES = dict(train=32, val=8, test=50)


def draw_key(key: str, image_size: int = 64,
             style: str = 'sketch') -> np.ndarray:
    """The image that belongs to a key, the same one on every machine.

    Args:
        key (str): Such as 'striped red triangle/test/0007'. The class is its
            first part; count, size, background and the rest follow from a
            checksum of the whole.
        image_size (int): Side of the image.
        style (str): A key of ``drawings.STYLES``.

    Returns:
        np.ndarray: RGB, uint8, (image_size, image_size, 3).
    """
    seed = crc32(key.encode())
    drawing = Drawing.sample(PurePosixPath(key).parts[0], Random(seed))
    return draw(drawing, seed, image_size, style)


@DATASETS.register_module()
class DrawnShapes(FewShotDataset):
    """Coloured and textured shapes, the down-stream task of the demo CLIP.

    The 32 classes are compositions, such as 'striped red triangle', that the
    demo CLIP was not trained on, in another style of drawing. Samples hold
    the image itself under ``img`` (BGR, as if ``LoadImageFromFile`` had read
    it), so a pipeline starts right after loading; nothing is on disk, and
    ``img_path`` is only a key.

    Args:
        image_size (int): Side of the images. Defaults to 64.
        style (str): A key of ``drawings.STYLES``; 'clean' is the style the
            demo CLIP was trained on. Defaults to 'sketch'.
        **kwargs: See :class:`FewShotDataset`.
    """

    def __init__(self,
                 *args,
                 image_size: int = 64,
                 style: str = 'sketch',
                 **kwargs) -> None:
        if style not in STYLES:
            raise DeptError(f'style={style!r} is unknown: choose one of '
                            f'{list(STYLES)}.')
        self.image_size = image_size
        self.style = style
        super().__init__(*args, **kwargs)

    def read(self) -> Splits:
        """List every key; base classes come first.

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
        """Keys are not below ``data_root``: they are no files."""
        return item.path

    @property
    def source(self) -> str:
        """Named in errors in place of the file the others have."""
        return type(self).__name__

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """One sample with its image.

        Returns:
            dict: That of the parent, plus ``img`` (uint8 BGR, (H, W, 3)),
            ``img_shape`` and ``ori_shape`` (H, W).
        """
        info = super().get_data_info(idx)
        image = draw_key(info['img_path'], self.image_size, self.style)
        info['img'] = np.ascontiguousarray(image[..., ::-1])
        info['img_shape'] = info['ori_shape'] = image.shape[:2]
        return info
