"""What probes share that learn a direction for each class by small batches."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.softmax import subtract_target


def train_directions(shots: Shots, make: Callable, epochs: Iterator,
                     share: float = 1., pull: Tensor | None = None
                     ) -> Tensor:
    r"""Learn :math:`x_c`, from zero, in the cosines of images with
    :math:`t_c + \alpha x_c`, where :math:`t` are the un-normalised texts.

    Args:
        shots (Shots): What to fit.
        make (Callable): Makes an optimizer of a list of parameters.
        epochs (Iterator): Indices and learning rate of each batch.
        share (float): :math:`\alpha`. Defaults to 1.
        pull (Tensor, optional): ``(K, )``; this times :math:`x_c` joins the
            gradient of the cross-entropy.

    Returns:
        Tensor: Directions of unit length ``(K, D)``, times the scale.
    """
    texts = shots.texts
    offset = nn.Parameter(torch.zeros_like(texts))
    optimizer, vectors = make([offset]), texts.clone()
    for batch, rate in epochs:
        optimizer.param_groups[0]['lr'] = rate
        offset.grad = cosine_gradient(
            shots.images[batch], shots.labels[batch], vectors, shots.scale,
            share)
        if pull is not None:
            offset.grad.addcmul_(pull[:, None], offset)
        optimizer.step()
        torch.add(texts, offset, alpha=share, out=vectors)
    return vectors.mul_(shots.scale / _length(vectors)[:, None])


def cosine_gradient(images: Tensor, labels: Tensor, vectors: Tensor,
                    scale: float, factor: float) -> Tensor:
    """Compute the gradient of the mean cross-entropy of scaled cosines.

    Logits and their errors, which are smaller than the vectors, are scaled in
    place of these.

    Args:
        images (Tensor): Normalised features ``(B, D)``.
        labels (Tensor): ``(B, )``.
        vectors (Tensor): A vector of any length for each class, ``(K, D)``.
        scale (float): Factor of the cosines.
        factor (float): Factor of the gradient.

    Returns:
        Tensor: With respect to ``vectors``.
    """
    stretch = scale / _length(vectors)
    logits = (images @ vectors.T).mul_(stretch)
    error = subtract_target(logits.softmax(1), labels)
    error *= stretch * (factor / len(images))
    # The part along a vector does not change its cosines.
    along = torch.linalg.vecdot(error, logits, dim=0) * stretch / scale**2
    return (error.T @ images).addcmul_(along[:, None], vectors, value=-1)


def _length(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=1)


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
