"""Encode a class list in parts, one after the other or on several processes.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from mmengine.dist import get_rank, get_world_size
from torch import Tensor, distributed
from torch.utils.checkpoint import checkpoint

Encode = Callable[[Sequence[int]], Tensor]


def in_chunks(encode: Encode, rows: Sequence[int], size: int | None
              ) -> Tensor:
    """Encode at most ``size`` classes at once.

    Where gradients are wanted, activations of a chunk are dropped and
    computed again in the backward pass: memory for time, the same numbers.

    Args:
        encode (Callable): Labels of ``n`` classes to ``(..., n, D)``.
        rows (Sequence[int]): Labels of ``C`` classes.
        size (int, optional): None encodes all at once.

    Returns:
        Tensor: ``(..., C, D)``.
    """
    if size is None or len(rows) <= size:
        return encode(rows)
    run = (partial(checkpoint, encode, use_reentrant=False)
           if torch.is_grad_enabled() else encode)
    return torch.cat([run(rows[i:i + size])
                      for i in range(0, len(rows), size)], dim=-2)


def over_processes(encode: Encode, rows: Sequence[int]) -> Tensor:
    """Encode a share of the classes on each process and exchange the results.

    Every process must call it, with the same classes and features that do
    not depend on its images. Gradients are those of one process: a class's
    gradient is summed over the processes that used it.

    Args:
        encode (Callable): Labels of ``n`` classes to ``(n, D)``.
        rows (Sequence[int]): Labels of ``C`` classes.

    Returns:
        Tensor: ``(C, D)``.
    """
    world = get_world_size()
    if world == 1 or len(rows) < world:
        return encode(rows)
    starts = [i * len(rows) // world for i in range(world + 1)]
    mine = slice(*starts[get_rank():get_rank() + 2])
    x = encode(rows[mine])
    # Not all backends know all low-precision types.
    return _Gather.apply(x.float(), starts).to(x.dtype)


class _Gather(torch.autograd.Function):
    """Gather rows of all processes and send gradients back to their owners."""

    @staticmethod
    def forward(ctx, x: Tensor, starts: list[int]) -> Tensor:
        counts = [b - a for a, b in pairwise(starts)]
        ctx.start, ctx.count = starts[get_rank()], len(x)
        sent = x.new_zeros(max(counts), x.shape[1])
        sent[:len(x)] = x
        got = [torch.empty_like(sent) for _ in counts]
        distributed.all_gather(got, sent)
        return torch.cat([t[:n] for t, n in zip(got, counts, strict=True)])

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(grad)
        return grad.narrow(0, ctx.start, ctx.count), None
