"""The parts of a transformer block of open_clip, for towers that leave out
what no feature depends on. Arithmetic and parameters are those of the block.
"""
from __future__ import annotations

from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn import functional as F


def comes_apart(block: nn.Module) -> bool:
    """Tell whether a block is CLIP's own, which the functions here know."""
    return (type(block) is ResidualAttentionBlock
            and type(block.attn) is nn.MultiheadAttention
            and block.attn.in_proj_weight is not None)


def project(block: ResidualAttentionBlock, x: Tensor,
            queries: Tensor | None = None) -> tuple[Tensor, ...]:
    """Compute query, key and value of normalised tokens.

    Args:
        block (ResidualAttentionBlock): The block.
        x (Tensor): ``(..., T, W)``.
        queries (Tensor, optional): ``(..., Q, W)``, those of ``x`` that ask.
            Defaults to all.

    Returns:
        tuple[Tensor, Tensor, Tensor]: ``(..., Q, W)`` and twice ``(..., T,
        W)``.
    """
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    if queries is None:
        return F.linear(x, weight, bias).chunk(3, -1)
    width = x.shape[-1]
    q = F.linear(queries, weight[:width], bias[:width])
    return q, *F.linear(x, weight[width:], bias[width:]).chunk(2, -1)


def heads(x: Tensor, block: ResidualAttentionBlock) -> Tensor:
    """Split ``(..., L, W)`` into heads ``(..., H, L, W/H)``."""
    return x.unflatten(-1, (block.attn.num_heads, -1)).transpose(-2, -3)


def finish(block: ResidualAttentionBlock, x: Tensor, y: Tensor) -> Tensor:
    """Compute what follows the attention in a block.

    Args:
        block (ResidualAttentionBlock): The block.
        x (Tensor): ``(..., T, W)``, what came in.
        y (Tensor): ``(..., T, W)``, what the heads found.
    """
    x = x + block.ls_1(block.attn.out_proj(y))
    return x + block.ls_2(_mlp(block.mlp, block.ln_2(x)))


def _mlp(mlp: nn.Sequential, x: Tensor) -> Tensor:
    """Compute the two layers of the MLP.

    ``QuickGELU``, ``x sigmoid(1.702 x)``, is ``silu(1.702 x) / 1.702``: one
    pass over the wide tensor in place of three, and half as much kept for
    the backward pass, with the factors where the tensors are narrow.
    """
    if type(mlp.gelu) is not QuickGELU:
        return mlp(x)
    first, second, scale = mlp.c_fc, mlp.c_proj, 1.702
    x = F.silu(F.linear(x * scale, first.weight, first.bias * scale))
    return F.linear(x, second.weight, second.bias * scale) / scale
