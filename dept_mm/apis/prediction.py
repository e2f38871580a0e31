"""What a model says about an image."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dept_mm.apis._batches import Batch, Images, Unreadable, make_loader
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
                 threshold: float | None = None, batch_size: int = 32,
                 num_workers: int = 0) -> Iterator[Prediction | Unreadable]:
    """Name the likeliest classes of images, one image after another.

    An image that cannot be read does not stop the others.

    Args:
        model (TunedModel): The model.
        images, k, threshold, batch_size: See ``TunedModel.predict``.
        num_workers (int): Processes that read images. Defaults to 0, which
            is this one.

    Yields:
        Prediction | Unreadable: Of each image, in their order.

    Raises:
        DeptError: If an option is out of range, an image is missing, or the
            model has no classifier.
    """
    if k < 1:
        raise DeptError(f'predict: k is {k}; it must be at least 1.')
    for batch in make_loader(model.config, images, batch_size, num_workers):
        yield from _answer(batch, _score(model, batch), model, k, threshold)


@torch.inference_mode()
def _score(model: TunedModel, batch: Batch) -> Tensor:
    """Compute the probabilities ``(B, C)`` of a batch."""
    if not batch.data['inputs']:
        return torch.empty(0, len(model.classes))
    inputs = model.module.data_preprocessor(batch.data)['inputs']
    return (model.logits(inputs) / model.temperature).softmax(1).cpu()


def _answer(batch: Batch, scores: Tensor, model: TunedModel, k: int,
            threshold: float | None) -> Iterator[Prediction | Unreadable]:
    """Pair the images of a batch with their scores."""
    rows, names = iter(scores), model.classes
    for item in batch.items:
        if isinstance(item, Unreadable):
            yield item
            continue
        top = next(rows).topk(min(k, len(names)))
        classes = tuple(names[i] for i in top.indices.tolist())
        values = tuple(top.values.tolist())
        known = threshold is None or values[0] >= threshold
        yield Prediction(item, classes, values, classes[0] if known else None)
