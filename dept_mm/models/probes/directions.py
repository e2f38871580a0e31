"""What probes share that learn a direction for each class by small batches."""
from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dept_mm.models.probes.softmax import softmax_gradient


def direction_gradient(images: Tensor, labels: Tensor, vectors: Tensor,
                       scale: float) -> Tensor:
    """Compute the gradient of the mean cross-entropy of scaled cosines.

    Args:
        images (Tensor): Normalised features ``(B, D)``.
        labels (Tensor): ``(B, )``.
        vectors (Tensor): A vector of any length for each class, ``(K, D)``.
        scale (float): Factor of the cosines.

    Returns:
        Tensor: With respect to ``vectors``.
    """
    length = vectors.norm(dim=1, keepdim=True)
    unit = vectors / length
    # Scaling images in place of the classifier costs less.
    slope = softmax_gradient(scale * images, labels, unit)[1]
    along = torch.linalg.vecdot(slope, unit)[:, None]
    return slope.addcmul_(along, unit, value=-1).div_(length)


def draw_epochs(size: int, batch_size: int, rate: float, epochs: int
                ) -> Iterator[tuple[Tensor, float]]:
    """Yield the images of each batch, and its learning rate.

    It is Dassl's recipe: the first epoch has a rate of 1e-5, the others a
    half cosine; each takes all images in a new order, without those that do
    not fill a batch. The order is the same in every run.
    """
    random = torch.Generator().manual_seed(0)
    batch_size = min(batch_size, size)
    for epoch in range(epochs):
        now = 1e-5 if epoch == 0 else rate * (
            1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        order = torch.randperm(size, generator=random)
        for batch in order.split(batch_size)[:size // batch_size]:
            yield batch, now
