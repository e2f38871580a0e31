"""Scale and shift each feature channel, as DePT does."""
import torch
from torch import Tensor, nn


class ChannelTransform(nn.Module):
    """Channel-wise affine transform ``g(x) = a * x + b``.

    It is the channel-wise transform of "DePT: Decoupled Prompt Tuning" (Zhang
    et al., CVPR 2024), and starts as the identity. The parameters stay in
    fp32 and are cast to the dtype of ``x``.

    Args:
        channels (int): Width ``D`` of ``x (..., D)``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Transform features ``(..., D)``; the shape stays."""
        return self.scale.to(x.dtype) * x + self.bias.to(x.dtype)
