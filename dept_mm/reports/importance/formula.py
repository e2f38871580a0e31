"""The formula of channel importance."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-12


def compute_channel_ratios(image: Tensor, text: Tensor, label: Tensor,
                   window: int) -> Tensor:
    r"""Compute how much each channel speaks for an image's own class.

    With normalised features :math:`f`, :math:`t` and windows :math:`W_r` of
    consecutive channels that wrap around at the end,

    .. math::
        q_{jc} = \max(0, \sum_{k \in W_r} f_{jk} t_{ck}), \quad
        \text{CI}_{jr} = q_{j,y_j} / (\frac{1}{C} \sum_c q_{jc} + 10^{-12})

    The ratio compares a channel's contribution to the image's own class with
    its average contribution to a class. The mean over images is the channel
    importance of "DePT: Decoupled Prompt Tuning" (Zhang et al., CVPR 2024),
    after "Channel Importance Matters in Few-Shot Image Classification" (Luo et
    al., ICML 2022).

    Args:
        image (Tensor): Image features ``(B, D)``.
        text (Tensor): Text features ``(C, D)`` or ``(B, C, D)``.
        label (Tensor): Row of ``text`` for each image, ``(B, )``.
        window (int): Number of channels in a window, from 1 to ``D``.

    Returns:
        Tensor: ``(B, D)``, in fp64.
    """
    # fp64, since `sum_windows` subtracts running sums.
    image = F.normalize(image.double(), dim=-1)
    text = F.normalize(text.double(), dim=-1)
    q = sum_windows(image[:, None] * text, window).relu()  # (B, C, D)
    own = q[torch.arange(len(label), device=label.device), label]
    return own / (q.mean(dim=1) + EPS)


def sum_windows(x: Tensor, window: int) -> Tensor:
    """Sum ``x[..., r:r + window]`` for each ``r``, wrapping around at the end.

    Args:
        x (Tensor): ``(..., D)``.
        window (int): Width of the window, from 1 to ``D``.

    Returns:
        Tensor: ``(..., D)``.
    """
    if window == 1:
        return x
    running = torch.cat([x, x[..., :window - 1]], dim=-1).cumsum(dim=-1)
    running = F.pad(running, (1, 0))
    return running[..., window:] - running[..., :-window]
