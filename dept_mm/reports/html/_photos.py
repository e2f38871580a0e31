"""Thumbnails of test images."""
from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from dept_mm.registry import DATASETS

SIDE = 128


class Photos:
    """Find the images that a run was tested on.

    They are files, or a data set holds them in memory, like drawings.

    Args:
        config (Mapping, optional): Config of the data set.
    """

    def __init__(self, config: Mapping | None) -> None:
        self.config = config
        self._dataset: Any = None

    def thumbnail(self, index: int, path: str) -> str | None:
        """Return a small JPEG as a data URI, or None without an image.

        Args:
            index (int): Position in the data set.
            path (str): Path of the image, or its key in the data set.
        """
        # What a decoder or somebody else's data set raises is not known, and
        # a report without this photo is better than none.
        try:
            image = (Image.open(path) if Path(path).is_file()
                     else self._in_memory(index, path))
            image = image.convert('RGB')
        except Exception:
            return None
        image.thumbnail((SIDE, SIDE))
        file = io.BytesIO()
        image.save(file, 'JPEG', quality=80)
        text = base64.b64encode(file.getvalue()).decode()
        return f'data:image/jpeg;base64,{text}'

    def _in_memory(self, index: int, path: str) -> Image.Image:
        if self.config is not None:
            config, self.config = self.config, None  # tried once
            self._dataset = DATASETS.build(dict(config, pipeline=[]))
        info = self._dataset.get_data_info(index)
        if info['img_path'] != path:
            raise ValueError(f'{path} is another image by now.')
        return Image.fromarray(info['img'][..., ::-1])  # BGR
