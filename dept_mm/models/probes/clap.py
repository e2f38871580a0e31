"""CLAP: a linear probe that stays near the class texts."""
from __future__ import annotations

from functools import partial

import torch
from torch.nn import functional as F

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.classifier import ClassifierProbe
from dept_mm.models.probes.directions import draw_epochs, train_directions
from dept_mm.registry import MODELS


@MODELS.register_module()
class CLAP(ClassifierProbe):
    r"""Train class directions from the texts, and hold each near its text.

    "A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models"
    (Silva-Rodriguez et al., CVPR 2024) trains vectors :math:`w_c`, which
    start from the un-normalised texts :math:`t_c`, by the loss

    .. math::
        \text{CE}(s \langle f, w_c / \|w_c\| \rangle, y)
        + \tfrac1K \sum_c \lambda_c \|w_c - t_c\|^2

    where :math:`\lambda_c` is the mean probability that zero-shot CLIP gives
    to class :math:`c` on its training images. The recipe is that of its
    code: SGD with momentum on batches of 256, one epoch at 1e-5, then a half
    cosine. Nothing is searched, as the paper demands; validation images are
    not used. ``constrained=False`` is the paper's ZS-LP.

    The code repeats each image in 20 augmentations and takes as many batches
    per epoch as one of them has; here an epoch takes all views that
    ``ProbeHook`` collected.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        constrained (bool): Whether the second term counts. Defaults to True.
        rate (float): Learning rate. Defaults to 0.1.
        epochs (int): Defaults to 300.
        batch_size (int): Defaults to 256.

    Examples:
        >>> neck = dict(type='CLAP', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """

    def __init__(self, clip, vocabulary, constrained: bool = True,
                 rate: float = .1, epochs: int = 300, batch_size: int = 256
                 ) -> None:
        super().__init__(clip, vocabulary)
        self.constrained = constrained
        self.rate = rate
        self.epochs = epochs
        self.batch_size = batch_size

    def solve(self, shots: Shots) -> None:
        """Train the vectors."""
        pull = 2 / len(shots.texts) * self._multipliers(shots)
        epochs = draw_epochs(len(shots.images), self.batch_size, self.rate,
                             self.epochs)
        self.set_classifier(train_directions(
            shots, partial(torch.optim.SGD, momentum=.9, fused=True), epochs,
            pull=pull))

    def _multipliers(self, shots: Shots) -> torch.Tensor:
        """Compute lambda ``(K, )``."""
        total = shots.images.new_zeros(len(shots.texts))
        if not self.constrained:
            return total
        text = shots.scale * F.normalize(shots.texts, dim=1)
        for images, labels in zip(shots.images.split(1024),
                                  shots.labels.split(1024), strict=True):
            sure = (images @ text.T).softmax(1)
            total.index_add_(0, labels, sure.gather(1, labels[:, None])[:, 0])
        return total / torch.bincount(shots.labels, minlength=len(total))
