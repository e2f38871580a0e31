"""Channel importance of a batch."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-12


def channel_ratios(image: Tensor, text: Tensor, label: Tensor,
                   window: int) -> Tensor:
    r"""What each channel says for an image's own class, over what it says
    for a class on average.

    With normalised features and windows :math:`W_r` of consecutive channels,
    the last of which go on with the first,

    .. math::
        q_{jc} = \max(0, \sum_{k \in W_r} f_{jk} t_{ck}), \quad
        \text{CI}_{jr} = q_{j,y_j} / (\frac{1}{C} \sum_c q_{jc} + 10^{-12})

    Its mean over images is the channel importance of "DePT: Decoupled Prompt
    Tuning" (Zhang et al., CVPR 2024), after "Channel Importance Matters in
    Few-Shot Image Classification" (Luo et al., ICML 2022).

    Args:
        image (Tensor): ``(B, D)``.
        text (Tensor): ``(C, D)`` or ``(B, C, D)``.
        label (Tensor): Row of ``text`` of each image, ``(B, )``.
        window (int): Channels in a window, 1 to ``D``.

    Returns:
        Tensor: ``(B, D)``, fp64.
    """
    # In fp64: differences of running sums follow.
    image = F.normalize(image.double(), dim=-1)
    text = F.normalize(text.double(), dim=-1)
    q = window_sums(image[:, None] * text, window).relu()  # (B, C, D)
    own = q[torch.arange(len(label), device=label.device), label]
    return own / (q.mean(dim=1) + EPS)


def window_sums(x: Tensor, window: int) -> Tensor:
    """Sums over ``x[..., r:r + window]`` for each ``r``, wrapping around.

    Args:
        x (Tensor): ``(..., D)``.
        window (int): 1 to ``D``.

    Returns:
        Tensor: ``(..., D)``.
    """
    if window == 1:
        return x
    running = torch.cat([x, x[..., :window - 1]], dim=-1).cumsum(dim=-1)
    running = F.pad(running, (1, 0))
    return running[..., window:] - running[..., :-window]
