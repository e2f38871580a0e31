"""The cross-entropy of a linear layer and its gradient, without autograd."""
from __future__ import annotations

import torch
from torch import Tensor

# Rows whose logits fit into the caches of a core.
CHUNK = 256


def subtract_target(error: Tensor, labels: Tensor) -> Tensor:
    """Turn probabilities ``(B, K)`` into the gradient of the cross-entropy
    with respect to logits, in place."""
    error[torch.arange(len(labels), device=labels.device), labels] -= 1
    return error


def softmax_gradient(images: Tensor, labels: Tensor, weight: Tensor,
                     bias: Tensor | None = None
                     ) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the mean cross-entropy of logits ``W f + b`` and its gradient.

    A few hundred rows at a time, so that logits never leave the cache: on a
    CPU this takes half the time of autograd on all rows.

    Args:
        images (Tensor): ``(N, D)``.
        labels (Tensor): ``(N, )``.
        weight (Tensor): ``(K, D)``.
        bias (Tensor, optional): ``(K, )``; None is zero.

    Returns:
        tuple[Tensor, Tensor, Tensor]: The loss, and its gradients with
        respect to ``weight`` and ``bias``.
    """
    loss, on_weight, on_bias = 0., None, images.new_zeros(len(weight))
    chunk = CHUNK if images.device.type == 'cpu' else len(images)
    for x, y in zip(images.split(chunk), labels.split(chunk), strict=True):
        logits = x @ weight.T if bias is None else torch.addmm(
            bias, x, weight.T)
        highest = logits.amax(1) - logits.gather(1, y[:, None])[:, 0]
        error = logits.softmax(1)
        # The largest probability says what the exponentials sum up to.
        loss += (highest - error.amax(1).log()).sum()
        subtract_target(error, y)
        on_weight = error.T @ x if on_weight is None else on_weight.addmm_(
            error.T, x)
        on_bias += error.sum(0)
    size = len(images)
    return loss / size, on_weight.div_(size), on_bias.div_(size)
