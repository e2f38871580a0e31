"""TDA: score classes by caches of the test images seen so far."""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures


@MODELS.register_module()
class TDA(BaseModule):
    r"""Adapt to test images as they come, without labels and gradients.

    It follows the code of "Efficient Test-Time Adaptation of Vision-Language
    Models" (Karmanov et al., CVPR 2024), with one view per image, and adds to
    the logits what two caches say. The positive cache keeps for each
    predicted class the images with the lowest entropy. The negative cache
    does so among images of medium entropy, and keeps their probabilities:
    likely classes lose. Both see an image before it is scored. Predicted are
    the classes that ``feats.text`` has, be they tuned or zero-shot. Training
    is left as it is.

    **Predictions depend on the order of the images** and on the images
    before. ``TDAHook`` draws the order from the run's seed and empties the
    caches before each data set; without it, images come in the order of the
    data set, and ``reset`` empties the caches. Other classes than those of
    the images before empty them, too. The size of batches does not matter.
    Each process of a distributed test has caches of its own. No checkpoint
    contains them.

    Args:
        alpha, beta (float): Weight and sharpness of the positive cache.
            Default to 2.0 and 5.0, as for ImageNet.
        shots (int): Images per class in it. Defaults to 3.
        negative_alpha, negative_beta (float): Those of the negative cache.
            Default to 0.117 and 1.0.
        negative_shots (int): Images per class in it. Defaults to 2.
        entropy (Sequence[float]): Bounds of the entropy of its images; 1 is
            :math:`\log_2 C` nats, as in the code. Defaults to (0.2, 0.5).
        mask (Sequence[float]): Bounds of the probability of classes that
            lose. Defaults to (0.03, 1.0).

    Raises:
        DeptError: If there is no room for images, or the backbone has no
            vocabulary.
    """

    def __init__(self, alpha: float = 2., beta: float = 5., shots: int = 3,
                 negative_alpha: float = .117, negative_beta: float = 1.,
                 negative_shots: int = 2,
                 entropy: Sequence[float] = (.2, .5),
                 mask: Sequence[float] = (.03, 1.)) -> None:
        super().__init__()
        if min(shots, negative_shots) < 1:
            raise DeptError('TDA: shots and negative_shots must be at least '
                            '1; alpha=0 turns a cache off.')
        self.alpha, self.beta, self.shots = alpha, beta, shots
        self.negative_alpha = negative_alpha
        self.negative_beta = negative_beta
        self.negative_shots = negative_shots
        self.entropy, self.mask = entropy, mask
        self.reset()

    def reset(self) -> None:
        """Forget all images."""
        self.classes = None

    @torch.no_grad()
    def forward(self, feats: CLIPFeatures) -> CLIPFeatures:
        """Add the ``bonus (B, C)`` of the caches, image by image."""
        if self.training:
            return feats
        if feats.labels is None:
            raise DeptError('TDA adds to the logits of classes: give '
                            'PromptedCLIP a vocabulary, e.g. '
                            'vocabulary=_base_.dataset.')
        classes = [feats.ids[i] for i in feats.labels.tolist()]
        if classes != self.classes:
            self.classes = classes
            size = len(classes), feats.image.shape[-1], feats.image.device
            self.positive = _Cache(self.shots, *size)
            self.negative = _Cache(self.negative_shots, *size)
        logits = similarity(feats.image, feats.text, feats.logit_scale,
                            feats.per_image)
        if feats.bonus is not None:
            logits = logits + feats.bonus
        images = F.normalize(feats.image.float(), dim=-1)
        bonus = [self._adapt(*pair)
                 for pair in zip(images, logits, strict=True)]
        extra = torch.stack(bonus) if bonus else torch.zeros_like(logits)
        if feats.bonus is not None:
            extra = extra + feats.bonus
        return feats._replace(bonus=extra)

    def _adapt(self, image: Tensor, logits: Tensor) -> Tensor:
        """Store an image ``(D, )`` by its logits ``(C, )``, and return its
        bonus ``(C, )``."""
        chance = logits.softmax(0)
        entropy = -(chance * logits.log_softmax(0)).sum()
        row = int(logits.argmax())
        self.positive.store(row, image, entropy, F.one_hot(
            logits.argmax(), len(logits)))
        # One class has no entropy to divide by.
        share = float(entropy) / max(math.log2(len(logits)), 1e-12)
        if self.entropy[0] < share < self.entropy[1]:
            votes = (chance > self.mask[0]) & (chance < self.mask[1])
            self.negative.store(row, image, entropy, votes)
        gain = self.alpha * self.positive.vote(image, self.beta)
        loss = self.negative_alpha * self.negative.vote(
            image, self.negative_beta)
        return gain - loss


class _Cache:
    """The images with the lowest entropy of each predicted class.

    Args:
        shots (int): Images per class, ``S``.
        num_classes (int): Number of classes, ``C``.
        width (int): Width of the features, ``D``.
        device (torch.device): Where they are.
    """

    def __init__(self, shots: int, num_classes: int, width: int,
                 device: torch.device) -> None:
        room = num_classes, shots
        self.keys = torch.zeros(*room, width, device=device)
        self.votes = torch.zeros(*room, num_classes, device=device)
        self.entropy = torch.full(room, torch.inf, device=device)

    def store(self, row: int, image: Tensor, entropy: Tensor, votes: Tensor
              ) -> None:
        """Take an image in, in place of nothing or of the one with the
        highest entropy if that is higher."""
        slot = int(self.entropy[row].argmax())
        if entropy < self.entropy[row, slot]:
            self.keys[row, slot] = image
            self.votes[row, slot] = votes.float()
            self.entropy[row, slot] = entropy

    def vote(self, image: Tensor, beta: float) -> Tensor:
        """Sum what the images say ``(C, )``, each as it is similar to
        ``image``; those that are missing have votes of zero."""
        weight = torch.exp(-beta * (1 - self.keys @ image))
        return torch.einsum('ks,ksc->c', weight, self.votes)
