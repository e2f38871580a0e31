"""Count what a training step and an evaluation cost.

They run on fake tensors, which have shapes and no values, so that a step of
any size takes a second or two. Before that the model runs once for real, on
one image: it reads its class names, whose lengths decide what is computed.
Afterwards it may keep fake tensors and is good for counting only.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from dept_mm.models import PromptedCLIP
from dept_mm.models.utils.kept import keeping_nothing
from dept_mm.reports.counting import Cost, count
from dept_mm.structures import CLIPFeatures

TEXT, IMAGE, HEAD = 'class texts', 'images', 'head'


def training_step(model: nn.Module, batch: int, size: int,
                  context: Callable) -> dict[str, Cost]:
    """Count one training step, by part.

    Args:
        model (nn.Module): A classifier.
        batch (int): Images ``B``.
        size (int): Their side in pixels.
        context (Callable): ``optim_context`` of the optimiser wrapper: mixed
            precision.

    Returns:
        dict: Part -> cost; the backbone's share that is not of class texts
        counts as that of the images.
    """
    fake, frozen = _prepare(model.train(), size)

    def features() -> Any:
        with context(model):
            return model.extract_feat(torch.zeros(batch, 3, size, size))

    def texts() -> Tensor:
        with context(model):
            return model.backbone.text_features(feats.image.detach())

    with fake, _Values():
        features()  # makes what later steps reuse, e.g. a teacher's texts
        whole, feats = count(features, frozen)
        text = count(texts, frozen)[0] if _scores(feats) else Cost()
    model.zero_grad()
    feats = _with_values(model, feats)
    label = int(feats.labels[0]) if _scores(feats) else 0
    samples = [DataSample().set_gt_label(label) for _ in range(batch)]

    def loss() -> Tensor:
        with context(model):
            return model.parse_losses(model.head.loss(feats, samples))[0]

    head = count(loss)[0]._replace(kept=0)
    model.zero_grad()
    return {TEXT: text, IMAGE: whole - text, HEAD: head}


@torch.no_grad()
def evaluation(model: nn.Module, batch: int, size: int, images: int
               ) -> dict[str, int]:
    """Count the FLOP of scoring a test set, by part.

    Args:
        model (nn.Module): A classifier.
        batch (int): Images of a batch.
        size (int): Their side in pixels.
        images (int): Size of the test set.
    """
    fake, _ = _prepare(model.eval(), size)

    def features() -> Any:
        return model.extract_feat(torch.zeros(batch, 3, size, size))

    text, batches = 0, images / batch
    with fake, _Values(), keeping_nothing():
        whole, feats = count(features)
        if _scores(feats):
            text = count(lambda: model.backbone.text_features(
                feats.image))[0].forward
    # A text classifier that no image changes is computed once.
    times = batches if _scores(feats) and feats.per_image else 1
    feats = _with_values(model, feats)
    head = count(lambda: model.head(feats))[0].forward
    return {TEXT: round(text * times),
            IMAGE: round((whole.forward - text) * batches),
            HEAD: round(head * batches)}


def _prepare(model: nn.Module, size: int
             ) -> tuple[FakeTensorMode, list[Tensor]]:
    """Run a model for real, once; make a mode of fake tensors, and list the
    weights, as they are and as that mode sees them."""
    with torch.no_grad():  # a neck may want more images
        model.extract_feat(torch.zeros(1, 3, size, size), stage='backbone')
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    weights = list(model.parameters())
    if isinstance(getattr(model, 'backbone', None), PromptedCLIP):
        weights += list(model.backbone.clip.parameters())
    return fake, [*weights, *map(fake.from_tensor, weights)]


class _Values(TorchFunctionMode):
    """Answer what is asked about values of fake tensors, which have none.

    Necks and heads read labels of the classes, to find their rows: integers
    that were made of a list. What is kept between batches is used again if
    weights are equal to a copy: nothing is trained here, so they are.
    """

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        if func is torch.equal:
            return args[0].shape == args[1].shape
        found = func(*args, **(kwargs or {}))
        if func is torch.tensor and isinstance(args[0], list) and (
                all(type(value) is int for value in args[0])):
            found.tolist = args[0].copy
        return found


def _scores(feats: Any) -> bool:
    """Tell whether features are compared with those of class texts."""
    return isinstance(feats, CLIPFeatures) and feats.text is not None


def _with_values(model: nn.Module, feats: Any) -> Any:
    """Put noise in place of fake features, and the labels they belong to:
    heads look at values."""
    def real(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        return torch.rand(leaf.shape, dtype=leaf.dtype).requires_grad_(
            leaf.requires_grad)

    feats = tree_map(real, feats)
    if not _scores(feats):
        return feats
    vocabulary = model.backbone.vocabulary
    labels = (vocabulary.base_labels if model.training
              else range(len(vocabulary)))
    return feats._replace(labels=torch.tensor(list(labels)))
