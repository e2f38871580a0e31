"""DePT's channel-wise transform."""
import torch
from torch import Tensor, nn


class ChannelTransform(nn.Module):
    """``g(x) = a * x + b`` per channel, the identity at the start.

    "DePT: Decoupled Prompt Tuning" (Zhang et al., CVPR 2024). Its parameters
    stay in fp32 and are cast to ``x``.

    Args:
        channels (int): Width ``D`` of ``x (..., D)``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D)`` to ``(..., D)``."""
        return self.scale.to(x.dtype) * x + self.bias.to(x.dtype)
