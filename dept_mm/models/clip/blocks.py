"""The parts of a transformer block of open_clip, for towers that leave out
what no feature depends on. Arithmetic and parameters are those of the block.
"""
from __future__ import annotations

from collections.abc import Callable

from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.structures import BlockParts


def comes_apart(block: nn.Module) -> bool:
    """Tell whether a block is CLIP's own, which the functions here know."""
    return (type(block) is ResidualAttentionBlock
            and type(block.attn) is nn.MultiheadAttention
            and block.attn.in_proj_weight is not None
            and block.attn.in_proj_weight.is_floating_point())


def project(block: ResidualAttentionBlock, x: Tensor, parts: BlockParts,
            queries: Tensor | None = None) -> tuple[Tensor, ...]:
    """Compute query, key and value of normalised tokens.

    Args:
        block (ResidualAttentionBlock): The block.
        x (Tensor): ``(..., T, W)``.
        parts (BlockParts): What is added to them.
        queries (Tensor, optional): ``(..., Q, W)``, those of ``x`` that ask.
            Defaults to all.

    Returns:
        tuple[Tensor, Tensor, Tensor]: ``(..., Q, W)`` and twice ``(..., T,
        W)``.
    """
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    if queries is None:
        queries = x
        q, k, v = F.linear(x, weight, bias).chunk(3, -1)
    else:
        width = x.shape[-1]
        q = F.linear(queries, weight[:width], bias[:width])
        k, v = F.linear(x, weight[width:], bias[width:]).chunk(2, -1)
    return (_add(q, parts.query, queries), _add(k, parts.key, x),
            _add(v, parts.value, x))


def heads(x: Tensor, block: ResidualAttentionBlock) -> Tensor:
    """Split ``(..., L, W)`` into heads ``(..., H, L, W/H)``."""
    return x.unflatten(-1, (block.attn.num_heads, -1)).transpose(-2, -3)


def finish(block: ResidualAttentionBlock, x: Tensor, normed: Tensor,
           y: Tensor, parts: BlockParts) -> Tensor:
    """Compute what follows the attention in a block.

    Args:
        block (ResidualAttentionBlock): The block.
        x (Tensor): ``(..., T, W)``, what came in.
        normed (Tensor): ``(..., T, W)``, ``x`` after the first norm.
        y (Tensor): ``(..., T, W)``, what the heads found.
        parts (BlockParts): What is added.
    """
    x = x + block.ls_1(_add(block.attn.out_proj(y), parts.out, y))
    x = x + block.ls_2(_mlp(block.mlp, block.ln_2(x)))
    return _add(x, parts.beside, normed)


def whole_block(block: ResidualAttentionBlock, x: Tensor, parts: BlockParts,
                mask: Tensor | None = None) -> Tensor:
    """Run one block over all tokens ``(..., L, W)``, nothing left out.

    Args:
        block (ResidualAttentionBlock): The block.
        x (Tensor): ``(..., L, W)``.
        parts (BlockParts): What is added inside.
        mask (Tensor, optional): ``(L, L)``, added to the scores.
    """
    normed = block.ln_1(x)
    q, k, v = (heads(t, block) for t in project(block, normed, parts))
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return finish(block, x, normed, y.transpose(-2, -3).flatten(-2), parts)


def _add(x: Tensor, part: Callable[[Tensor], Tensor] | None, given: Tensor
         ) -> Tensor:
    """Add what a part makes of the given tokens."""
    return x if part is None else x + part(given).to(x.dtype)


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
