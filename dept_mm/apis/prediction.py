"""What a model says about an image."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dept_mm.apis._batches import Batch, Images, Unreadable, make_loader
from dept_mm.apis._run import compute_each, copy_model
from dept_mm.apis.sources import find_images
from dept_mm.errors import DeptError

if TYPE_CHECKING:
    from dept_mm.apis.tuned_model import TunedModel


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of an image.

    Attributes:
        image (str, optional): Its path; None if it is not a file.
        classes (tuple[str]): Names of the likeliest classes, the likeliest
            first.
        probabilities (tuple[float]): Their probabilities.
        name (str, optional): The likeliest class, or None if its probability
            is below the threshold: the image shows none of these.
    """
    image: str | None
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    name: str | None


def predict_each(model: TunedModel, images: Images, k: int = 5,
                 threshold: float | None = None, batch_size: int = 32, *,
                 num_workers: int = 0, more_devices: Sequence[str] = (),
                 allow_urls: bool = False
                 ) -> Iterator[Prediction | Unreadable]:
    """Name the likeliest classes of images, one image after another.

    An image that cannot be read does not stop the others.

    Args:
        model (TunedModel): The model.
        images, k, threshold, batch_size: See ``TunedModel.predict``.
        num_workers (int): Processes that read images. Defaults to 0, which
            is this one.
        more_devices (Sequence[str]): Further devices, each of which gets a
            copy of the model and a share of the batches. Defaults to none.
        allow_urls (bool): Whether images may be addresses, ``http://`` or
            ``https://``, which are downloaded. Defaults to False.

    Yields:
        Prediction | Unreadable: Of each image, in their order.

    Raises:
        DeptError: If an option is out of range, an image is missing, or the
            model has no classifier.
    """
    if k < 1:
        raise DeptError(f'predict: k is {k}; it must be at least 1.')
    if threshold is not None and not 0 <= threshold <= 1:
        raise DeptError(f'predict: threshold is {threshold}; it is a '
                        'probability, between 0 and 1.')
    loader = make_loader(model.config, find_images(images, allow_urls),
                         batch_size, num_workers)
    models = [model, *(copy_model(model, name) for name in more_devices)]
    for batch, scores in compute_each(models, _score, loader):
        yield from _answer(batch, scores, model.classes, k, threshold)


def _score(model: TunedModel, batch: Batch) -> Tensor:
    """Compute the probabilities ``(B, C)`` of the images that can be read."""
    if not batch.data:
        return torch.empty(0, len(model.classes))
    return model.score(model.prepare(batch.data))


def _answer(batch: Batch, scores: Tensor, names: Sequence[str], k: int,
            threshold: float | None) -> Iterator[Prediction | Unreadable]:
    """Pair the images of a batch with their scores."""
    rows = iter(scores)
    for item in batch.items:
        if isinstance(item, Unreadable):
            yield item
            continue
        top = next(rows).topk(min(k, len(names)))
        classes = tuple(names[i] for i in top.indices.tolist())
        values = tuple(top.values.tolist())
        known = threshold is None or values[0] >= threshold
        yield Prediction(item, classes, values, classes[0] if known else None)
