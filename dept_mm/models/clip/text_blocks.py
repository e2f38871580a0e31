"""Run one block of a causal text tower over a shared prefix or over suffixes.

Arithmetic and parameters are those of open_clip's block; what is left out is
what no other token can see.
"""
from __future__ import annotations

import torch
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor
from torch.nn import functional as F

from dept_mm.models.clip.blocks import finish, heads, project
from dept_mm.models.clip.text_layout import Packing
from dept_mm.structures import BlockParts

Heads = tuple[Tensor, Tensor]


def prefix_block(block: ResidualAttentionBlock, x: Tensor, last: bool,
                 parts: BlockParts) -> tuple[Tensor | None, Heads]:
    """Run one block over the shared prefix.

    Args:
        block (ResidualAttentionBlock): The block.
        x (Tensor): ``(..., P, W)``.
        last (bool): Whether only keys and values are wanted.
        parts (BlockParts): What is added inside.

    Returns:
        tuple[Tensor | None, Heads]: The next ``x``, and keys and values
        ``(..., H, P, W/H)`` for the suffixes.
    """
    normed = block.ln_1(x)
    q, k, v = (heads(t, block) for t in project(block, normed, parts))
    if last:
        return None, (k, v)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    y = y.transpose(-2, -3).flatten(-2)
    return finish(block, x, normed, y, parts), (k, v)


def suffix_block(block: ResidualAttentionBlock, x: Tensor, prefix: Heads,
                 packing: Packing, last: bool, parts: BlockParts) -> Tensor:
    """Run one block over packed suffixes, which look back at the prefix.

    Args:
        block (ResidualAttentionBlock): The block.
        x (Tensor): ``(..., T, W)``.
        prefix (Heads): Keys and values of the prefix.
        packing (Packing): Where the classes are in ``x``.
        last (bool): Whether only the last token of each class is wanted.
        parts (BlockParts): What is added inside.

    Returns:
        Tensor: ``(..., T, W)``, or ``(..., C, W)`` of the last tokens.
    """
    normed, groups = block.ln_1(x), packing.groups
    if last:
        x, asking = (t.index_select(-2, packing.last) for t in (x, normed))
        q, k, v = project(block, normed, parts, asking)
        normed = asking
        q = [t.unsqueeze(-2) for t in groups.divide(q)]
        seen = [group.real[:, None] for group in groups.groups]
    else:
        q, k, v = project(block, normed, parts)
        q = groups.pad(q)
        # Slots behind a class's end are no query's past.
        seen = [torch.ones(group.longest, group.longest, dtype=torch.bool,
                           device=x.device).tril() for group in groups.groups]
    k, v = groups.pad(k), groups.pad(v)
    y = [_attend(*(heads(t, block) for t in tensors), prefix, real)
         for *tensors, real in zip(q, k, v, seen, strict=True)]
    y = groups.join([t.squeeze(-2) for t in y]) if last else groups.pack(y)
    return finish(block, x, normed, y, parts)


def _attend(q: Tensor, k: Tensor, v: Tensor, prefix: Heads, real: Tensor
            ) -> Tensor:
    """Attend from each class's queries to the prefix and to its own tokens.

    The prefix's keys are multiplied once with the queries of all classes;
    they are not repeated for each class.

    Args:
        q (Tensor): ``(..., C, H, Q, W/H)``.
        k, v (Tensor): ``(..., C, H, S, W/H)``.
        prefix (Heads): ``(..., H, P, W/H)`` each.
        real (Tensor): ``(Q, S)`` or ``(C, 1, S)``, which keys are seen.

    Returns:
        Tensor: ``(..., C, Q, W)``.
    """
    prefix_k, prefix_v = prefix
    count, queries = q.shape[-4], q.shape[-2]
    q = q * q.shape[-1]**-0.5
    flat = q.transpose(-4, -3).flatten(-3, -2)  # (..., H, C Q, W/H)
    far = (flat @ prefix_k.transpose(-1, -2)).unflatten(-2, (count, queries))
    near = (q @ k.transpose(-1, -2)).transpose(-4, -3)  # (..., H, C, Q, S)
    near = near.masked_fill(~real, float('-inf'))
    lead = torch.broadcast_shapes(far.shape[:-4], near.shape[:-4])
    both = torch.cat([far.expand(*lead, *far.shape[-4:]),
                      near.expand(*lead, *near.shape[-4:])], dim=-1)
    wide = torch.promote_types(both.dtype, torch.float32)
    weight = both.softmax(-1, dtype=wide).to(v.dtype)
    far, near = weight.split([far.shape[-1], near.shape[-1]], -1)
    y = (far.flatten(-3, -2) @ prefix_v).unflatten(-2, (count, queries))
    y = y.transpose(-4, -3) + near.transpose(-4, -3) @ v
    return y.transpose(-2, -3).flatten(-2)
