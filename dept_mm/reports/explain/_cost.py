"""What a training step and an evaluation cost."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from dept_mm.reports.explain._meter import IMAGE, REST, TEXT, Meter
from dept_mm.structures import CLIPFeatures

Parts = dict[str, dict[str, int]]


def training_step(model: nn.Module, batch: int, size: int,
                  context: Callable) -> Parts:
    """Cost of one training step, by part.

    Args:
        model (nn.Module): A classifier; see ``Meter``.
        batch (int): Images ``B``.
        size (int): Their side in pixels.
        context (Callable): ``optim_context`` of the optimiser wrapper: mixed
            precision.

    Returns:
        dict: As ``Meter.parts``, with the head as one more part.
    """
    model.train()
    meter = Meter(model)
    # This one makes what later ones reuse, e.g. a teacher's texts.
    with meter.running(), context(model):
        _features(model, batch, size)
    with meter.running():
        with context(model):
            feats = _features(model, batch, size)
        for part, tensor in _differentiable(feats):
            with meter.of(part, 'backward'):
                torch.autograd.backward(
                    tensor, torch.ones_like(tensor), retain_graph=True)
    model.zero_grad()
    feats = _with_values(model, feats)
    label = 0 if not _labelled(feats) else int(feats.labels[0])
    samples = [DataSample().set_gt_label(label) for _ in range(batch)]
    with FlopCounterMode(display=False) as counter, context(model):
        loss, _ = model.parse_losses(model.head.loss(feats, samples))
        forward = counter.get_total_flops()
        if loss.requires_grad:
            loss.backward()
        backward = counter.get_total_flops() - forward
    model.zero_grad()
    return dict(meter.parts,
                head=dict(forward=forward, backward=backward, kept=0))


def evaluation(model: nn.Module, batch: int, size: int, images: int
               ) -> dict[str, int]:
    """FLOP of scoring a test set, by part.

    Args:
        model (nn.Module): A classifier.
        batch (int): Images of a batch.
        size (int): Their side in pixels.
        images (int): Size of the test set.
    """
    model.eval()
    meter, parts = Meter(model), []
    with torch.no_grad():
        for _ in range(2):  # the second batch finds the text classifier
            with meter.running():
                feats = _features(model, batch, size)
            parts.append(meter.parts)
        with FlopCounterMode(display=False) as counter:
            model.head(_with_values(model, feats))
    first, later = ({k: v['forward'] for k, v in part.items()}
                    for part in parts)
    later['head'] = first['head'] = counter.get_total_flops()
    return {k: round(first[k] - later[k] + later[k] * images / batch)
            for k in first}


def _features(model: nn.Module, batch: int, size: int) -> Any:
    return model.extract_feat(torch.zeros(batch, 3, size, size))


def _labelled(feats: Any) -> bool:
    return isinstance(feats, CLIPFeatures) and feats.labels is not None


def _differentiable(feats: Any) -> Iterator[tuple[str, Tensor]]:
    """Features that a backward pass starts from, and whose part it is."""
    if isinstance(feats, CLIPFeatures):
        found = [(TEXT, feats.text), (IMAGE, feats.image)]
    else:
        found = [(REST, leaf) for leaf in tree_leaves(feats)]
    for part, tensor in found:
        if isinstance(tensor, Tensor) and tensor.requires_grad:
            yield part, tensor


def _with_values(model: nn.Module, feats: Any) -> Any:
    """Noise in place of fake features, and the labels they belong to: heads
    look at values."""
    def real(leaf):
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        return torch.rand(leaf.shape, dtype=leaf.dtype).requires_grad_(
            leaf.requires_grad)

    feats = tree_map(real, feats)
    if not _labelled(feats):
        return feats
    vocabulary = model.backbone.vocabulary
    labels = (vocabulary.base_labels if model.training
              else range(len(vocabulary)))
    return feats._replace(labels=torch.tensor(list(labels)))
