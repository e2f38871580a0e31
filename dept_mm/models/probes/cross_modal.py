"""Cross-modal linear probe: class texts are training examples, too."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.classifier import ClassifierProbe
from dept_mm.models.probes.softmax import subtract_target
from dept_mm.registry import MODELS

WARM_UP, CHECKED_EVERY = 50, 100


@MODELS.register_module()
class CrossModalProbe(ClassifierProbe):
    r"""Train a linear layer on images and class texts alike.

    "Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning with
    Multimodal Models" (Lin et al., CVPR 2023). Half of each batch are images,
    half are texts, all normalised; the logits are :math:`s\, w_c^T f`, and
    :math:`w` starts from the texts. AdamW warms up for 50 steps and follows a
    half cosine. Every hundredth step is measured on validation images, and
    the best one of all settings is kept, the first if there are several.

    The grid of the paper's code has weight decays of 0, 0.0001 and 0.01, and
    batches of 8 and 32; a decay of 0.0001 changes next to nothing, and 32 is
    faster, so the other values are left out here by default. There is one text
    per class, as with ``--text-augmentation vanilla`` of the code.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        rates (Sequence[float]): Learning rates to search. Without validation
            images, only the first of each list is used, to the last step.
            Defaults to (1e-3, 1e-4).
        decays (Sequence[float]): Weight decays to search. Defaults to (0,
            0.01).
        batch_sizes (Sequence[int]): To search. Defaults to (32, ).
        num_steps (int): Defaults to 12,800.
        wise_ft (float): Share of the texts in the final classifier; the
            paper's WiSE-FT has 0.5. Defaults to 0.

    Examples:
        >>> neck = dict(type='CrossModalProbe', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """

    def __init__(self, clip, vocabulary,
                 rates: Sequence[float] = (1e-3, 1e-4),
                 decays: Sequence[float] = (0., .01),
                 batch_sizes: Sequence[int] = (32, ),
                 num_steps: int = 12_800, wise_ft: float = 0.) -> None:
        super().__init__(clip, vocabulary)
        self.grid = list(product(rates, decays, batch_sizes))
        self.num_steps = num_steps
        self.wise_ft = wise_ft

    def solve(self, shots: Shots) -> None:
        """Try the settings, and keep the best step of the best one."""
        texts = F.normalize(shots.texts, dim=1)
        found = run_beside(
            lambda setting: self._train(shots, texts, *setting),
            self.grid if shots.validation is not None else self.grid[:1],
            texts.device)
        _, weight = max(found, key=lambda pair: pair[0])
        self.set_classifier(shots.scale * torch.lerp(weight, texts,
                                                     self.wise_ft))

    def _train(self, shots: Shots, texts: Tensor, rate: float, decay: float,
               batch_size: int) -> tuple[float, Tensor]:
        """Return the best accuracy and its ``W (K, D)``."""
        weight = nn.Parameter(texts.clone())
        optimizer = torch.optim.AdamW([weight], weight_decay=decay,
                                      fused=True)
        weight.grad = torch.empty_like(weight)
        examples = shots.scale * torch.cat([shots.images, texts])
        labels = torch.cat([shots.labels, torch.arange(
            len(texts), device=shots.labels.device)])
        random = torch.Generator().manual_seed(0)
        images = draw_batches(len(shots.images), batch_size // 2, random)
        classes = draw_batches(len(texts), batch_size // 2, random)
        best, kept = -1., weight
        for step in range(self.num_steps):
            index = torch.cat([next(images),
                               next(classes) + len(shots.images)])
            x, y = examples[index], labels[index]
            error = subtract_target((x @ weight.T).softmax(1), y)
            torch.mm(error.T, x.div_(len(x)), out=weight.grad)
            optimizer.param_groups[0]['lr'] = self._rate(step, rate)
            optimizer.step()
            if step % CHECKED_EVERY == 0 and shots.validation is not None:
                score = shots.accuracy(shots.validation[0] @ weight.T)
                if score > best:
                    best, kept = score, weight.clone()
        return best, kept

    def _rate(self, step: int, rate: float) -> float:
        """Compute the learning rate of a step."""
        if step < WARM_UP:
            return rate * step / WARM_UP if step else 1e-5
        return rate * (1 + math.cos(
            math.pi * (step - WARM_UP) / self.num_steps)) / 2


def run_beside(work: Callable, items: Sequence, device: torch.device) -> list:
    """Call ``work`` for each item, on a CPU for several at once.

    Products of 32 examples are too small for several cores: these would wait
    for each other in every step. So each item gets a core, or some of them.
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(items)) if device.type == 'cpu' else 1
    if workers == 1:
        return [work(item) for item in items]

    @torch.no_grad()  # which holds for one thread
    def run(item: object) -> object:
        torch.set_num_threads(threads // workers)
        return work(item)

    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(run, items))
    finally:
        torch.set_num_threads(threads)


def draw_batches(size: int, batch_size: int, random: torch.Generator
                 ) -> Iterator[Tensor]:
    """Yield indices without end: all in a new order, then again, without
    those that do not fill a batch."""
    batch_size = min(batch_size, size)
    while True:
        order = torch.randperm(size, generator=random)
        yield from order.split(batch_size)[:size // batch_size]
