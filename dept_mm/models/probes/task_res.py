"""TaskRes: class texts plus a learned residual."""
from __future__ import annotations

from functools import partial

import torch

from dept_mm.models.probes.base import Shots
from dept_mm.models.probes.classifier import ClassifierProbe
from dept_mm.models.probes.directions import draw_epochs, train_directions
from dept_mm.registry import MODELS


@MODELS.register_module()
class TaskRes(ClassifierProbe):
    r"""Add a learned vector to the text feature of each class.

    "Task Residual for Tuning Vision-Language Models" (Yu et al., CVPR 2023):
    the classifier of class :math:`c` is the direction of
    :math:`t_c + \alpha x_c`, with un-normalised texts :math:`t`. It is
    trained in the recipe of its code: Adam on batches of 256, weight decay
    5e-4, one epoch at 1e-5, then a half cosine. Nothing is searched on
    validation images, as in the code. The paper's "enhanced base" is another
    text encoder and no part of this.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
        alpha (float): :math:`\alpha`; the paper has 1 for Flowers102.
            Defaults to 0.5.
        rate (float): Learning rate; the paper has 2e-4 for ImageNet.
            Defaults to 2e-3.
        epochs (int): The paper has 100 for up to 4 images per class.
            Defaults to 200.
        batch_size (int): Defaults to 256.

    Examples:
        >>> neck = dict(type='TaskRes', clip=_base_.clip,
        ...             vocabulary=_base_.vocabulary)
    """

    def __init__(self, clip, vocabulary, alpha: float = .5,
                 rate: float = 2e-3, epochs: int = 200, batch_size: int = 256
                 ) -> None:
        super().__init__(clip, vocabulary)
        self.alpha = alpha
        self.rate = rate
        self.epochs = epochs
        self.batch_size = batch_size

    def solve(self, shots: Shots) -> None:
        """Train the residual."""
        epochs = draw_epochs(len(shots.images), self.batch_size, self.rate,
                             self.epochs)
        self.set_classifier(train_directions(
            shots, partial(torch.optim.Adam, weight_decay=5e-4, fused=True),
            epochs, share=self.alpha))
