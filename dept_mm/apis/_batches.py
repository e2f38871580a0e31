"""Images in any form, prepared in batches."""
from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dept_mm.apis.sources import is_url
from dept_mm.datasets import LoadRGBImage
from dept_mm.datasets.transforms import convert_to_bgr
from dept_mm.errors import DeptError, UnreadableImage
from dept_mm.registry import TRANSFORMS

Source = str | Path | Image.Image | np.ndarray | Tensor
Images = Source | Sequence[Source]
TIMEOUT = 30  # seconds, of a download


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be read.

    Attributes:
        image (str): Its path.
        reason (str): What is wrong with it, with its path.
    """
    image: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Images of a batch, in their order.

    Attributes:
        items (list): Of each image its path, None if it is not a file, or an
            ``Unreadable``.
        data (dict): ``inputs`` and ``data_samples`` of all others, for the
            data preprocessor; empty if there are none.
    """
    items: list[str | Unreadable | None]
    data: dict

    @property
    def unreadable(self) -> list[Unreadable]:
        """The images that cannot be read."""
        return [x for x in self.items if isinstance(x, Unreadable)]


def make_loader(config: Config, images: Sequence, batch_size: int = 32,
                num_workers: int = 0) -> DataLoader:
    """Make a loader of images, prepared as the test images of a config.

    Args:
        config (Config): The config.
        images (Sequence): From ``find_images``.
        batch_size (int): Images per batch. Defaults to 32.
        num_workers (int): Processes that read images. Defaults to 0.

    Returns:
        DataLoader: Of ``Batch``.

    Raises:
        DeptError: If the config does not say how images are prepared, or the
            size of a batch is less than 1.
    """
    if batch_size < 1:
        raise DeptError(f'batch_size is {batch_size}; it must be at least 1.')
    return DataLoader(
        PreparedImages(images, build_pipeline(config)),
        batch_size, num_workers=num_workers, collate_fn=_collate)


def build_pipeline(config: Config) -> Compose:
    """Build the test pipeline of a config, with the loading of LoadRGBImage.

    Raises:
        DeptError: If the config has none.
    """
    dataset = (config.get('test_dataloader') or {}).get('dataset', {})
    if 'pipeline' not in dataset:
        raise DeptError(
            'The config of the model does not say how images are prepared: '
            'it has no test_dataloader.dataset.pipeline.')
    steps = [dict(step) for step in dataset['pipeline']
             if step['type'] != 'LoadImageFromFile']
    return Compose([LoadRGBImage(), *map(TRANSFORMS.build, steps)])


class PreparedImages(Dataset):
    """Images in any form as a data set; one that cannot be read does not stop
    the others."""

    def __init__(self, images: Sequence, pipeline: Compose) -> None:
        self.images = images
        self.pipeline = pipeline

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[str | Unreadable | None, dict]:
        """Return a path and a packed sample, which is empty if the image
        cannot be read."""
        image = self.images[index]
        path = image if isinstance(image, str) else None
        try:
            return path, self.pipeline(_start_sample(image))
        except UnreadableImage as error:
            return Unreadable(path or f'image {index}', str(error)), {}


def _collate(pairs: Sequence[tuple[str | Unreadable | None, dict]]) -> Batch:
    samples = [sample for _, sample in pairs if sample]
    return Batch([item for item, _ in pairs],
                 pseudo_collate(samples) if samples else {})


def _start_sample(image: Source) -> dict:
    """Return the sample that the pipeline starts from."""
    if isinstance(image, str):
        if is_url(image):
            return dict(img=_convert(partial(_download, image), image))
        if not Path(image).is_file():
            raise UnreadableImage(f'Image not found: {Path(image).absolute()}')
        return dict(img_path=image)
    if isinstance(image, Tensor):
        image = _to_array(image)
    if isinstance(image, Image.Image):
        return dict(img=_convert(lambda: image, 'A PIL image'))
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or (
            not image.size):
        raise DeptError(f'An array of shape {image.shape} and dtype '
                        f'{image.dtype} is no image: give (H, W, 3), uint8, '
                        'with channels in the order BGR.')
    return dict(img=image)


def _download(url: str) -> Image.Image:
    with urlopen(url, timeout=TIMEOUT) as answer:
        return Image.open(io.BytesIO(answer.read()))


def _convert(get: Callable[[], Image.Image], name: str) -> np.ndarray:
    """Convert a PIL image to an array ``(H, W, 3)``, BGR."""
    try:
        return convert_to_bgr(get())
    # PIL's decoders and the network raise what they like.
    except Exception as error:
        raise UnreadableImage(f'{name} cannot be read: {error}') from error


def _to_array(image: Tensor) -> np.ndarray:
    """Convert an RGB tensor ``(3, H, W)`` to a BGR array ``(H, W, 3)``."""
    image = image.detach().cpu()
    if image.ndim != 3 or len(image) != 3 or not image.numel() or not (
            image.dtype == torch.uint8 or image.is_floating_point()
            and 0 <= image.min() and image.max() <= 1):
        raise DeptError(
            f'A tensor of shape {tuple(image.shape)} and dtype {image.dtype} '
            'is no image: give (3, H, W) in RGB, as uint8 or as floats '
            'between 0 and 1. Images that are normalised already are for '
            'model.module.')
    if image.is_floating_point():
        image = (image * 255).round().to(torch.uint8)
    return np.ascontiguousarray(image.flip(0).permute(1, 2, 0).numpy())
