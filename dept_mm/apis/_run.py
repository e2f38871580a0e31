"""Run a model on batches, on one device or several."""
from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

if TYPE_CHECKING:
    from dept_mm.apis.tuned_model import TunedModel

Batch = TypeVar('Batch')


def copy_model(model: TunedModel, device: str) -> TunedModel:
    """Copy a model to another device, with a CLIP of its own there."""
    # A deep copy would share the CLIP. The bytes are our own.
    module = pickle.loads(pickle.dumps(model.module))
    return replace(model, module=module.to(device))


def compute_each(models: Sequence[TunedModel],
                 compute: Callable[[TunedModel, Batch], Tensor],
                 batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor]]:
    """Compute something of each batch; several models take turns.

    Args:
        models (Sequence[TunedModel]): The same model on each device.
        compute (Callable): Is given a model and a batch.
        batches (Iterable): The batches.

    Yields:
        tuple: Each batch, in order, and what was computed of it, on the CPU.
    """
    def run(model: TunedModel, batch: Batch) -> Tensor:
        with torch.inference_mode():
            return compute(model, batch).cpu()

    batches = iter(batches)
    with ThreadPoolExecutor(len(models)) as pool:
        # A thread of its own would not be in the caller's autocast.
        apply = pool.map if len(models) > 1 else map
        while group := list(islice(batches, len(models))):
            # Not strict: pool.map may be given more models than batches.
            yield from zip(group, apply(run, models, group), strict=False)
