"""What a model says about an image."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dept_mm.apis._batches import Batch, Images, Unreadable, make_loader
from dept_mm.apis._rules import Rules
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
        name (str, optional): The likeliest class, or None if the image shows
            none of these.
        set (tuple[str], optional): Names of the classes that it may show, the
            likeliest first, if a coverage was asked for. They are the first
            ones of ``classes``.
    """
    image: str | None
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    name: str | None
    set: tuple[str, ...] | None = None


def predict_each(model: TunedModel, images: Images, k: int = 5,
                 rules: Rules | None = None, batch_size: int = 32, *,
                 num_workers: int = 0, more_devices: Sequence[str] = (),
                 allow_urls: bool = False
                 ) -> Iterator[Prediction | Unreadable]:
    """Name the likeliest classes of images, one image after another.

    An image that cannot be read does not stop the others.

    Args:
        model (TunedModel): The model.
        images, k, batch_size: See ``TunedModel.predict``.
        rules (Rules, optional): What is answered beside the likeliest
            classes. Defaults to nothing.
        num_workers (int): Processes that read images. Defaults to 0, which
            is this one.
        more_devices (Sequence[str]): Further devices, each of which gets a
            copy of the model and a share of the batches. Defaults to none.
        allow_urls (bool): Whether images may be addresses, ``http://`` or
            ``https://``, which are downloaded. Defaults to False.

    Yields:
        Prediction | Unreadable: Of each image, in their order.

    Raises:
        DeptError: If an option is out of range or needs a calibrated model,
            an image is missing, or the model has no classifier.
    """
    if k < 1:
        raise DeptError(f'predict: k is {k}; it must be at least 1.')
    rules = rules or Rules()
    rules.check(model)
    loader = make_loader(model.config, find_images(images, allow_urls),
                         batch_size, num_workers)
    models = [model, *(copy_model(model, name) for name in more_devices)]
    for batch, logits in compute_each(models, _compute_logits, loader):
        yield from _answer(batch, logits, model, k, rules)


def _compute_logits(model: TunedModel, batch: Batch) -> Tensor:
    """Compute the logits ``(B, C)`` of the images that can be read."""
    if not batch.data:
        return torch.empty(0, len(model.classes))
    return model.logits(model.prepare(batch.data))


def _answer(batch: Batch, logits: Tensor, model: TunedModel, k: int,
            rules: Rules) -> Iterator[Prediction | Unreadable]:
    """Pair the images of a batch with what is said of them."""
    scores, order = model.sharpen(logits).softmax(1).sort(
        dim=1, descending=True, stable=True)
    known = rules.find_known(model, logits, scores[:, 0])
    rows = iter(zip(scores, order, known, rules.count_members(model, scores),
                    strict=True))
    for item in batch.items:
        if isinstance(item, Unreadable):
            yield item
            continue
        values, indices, shown, members = next(rows)
        most = max(k, members or 0)
        names = tuple(model.classes[i] for i in indices[:most].tolist())
        yield Prediction(item, names, tuple(values[:most].tolist()),
                         names[0] if shown else None,
                         members and names[:members])
