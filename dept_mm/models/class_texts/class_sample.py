"""The classes of a training step: Skip Tuning's class-wise skipping."""
from __future__ import annotations

import math

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.class_texts.frozen import FrozenText
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.utils.similarity import similarity
from dept_mm.structures import Vocabulary


class ClassSample:
    r"""Choose the classes that a training step scores its images among.

    Classes are ranked by the greatest similarity of zero-shot CLIP's text to
    an image of the batch, after the classes of the batch. The first
    :math:`k` ranks are kept, and the others with probabilities that fall
    exponentially from 1 to 0, :math:`e^{-x / \lambda}` over :math:`x` from 0
    to 5. It follows the code of "Skip Tuning" (Wu et al., CVPR 2025), which
    draws once which ranks are kept. A plain class.

    Args:
        share (float): :math:`k` as a share of the classes. Defaults to 0.5.
        most (int): The largest :math:`k`. Defaults to 50.
        scale (float): :math:`\lambda`. Defaults to 0.3.
        seed (int): Of the draw. Defaults to 0.

    Attributes:
        targets (Tensor): ``(B, )``, labels of the batch.

    Raises:
        DeptError: If an option is out of range.
    """

    def __init__(self, share: float = .5, most: int = 50, scale: float = .3,
                 seed: int = 0) -> None:
        if not (0 < share <= 1 and most >= 1 and scale > 0):
            raise DeptError(f'ClassSample: share={share}, most={most} and '
                            f'scale={scale} must be positive, and the share '
                            'at most 1.')
        self.share, self.most, self.scale = share, most, scale
        self.seed = seed
        self.targets: Tensor | None = None
        self._text = FrozenText()

    @torch.no_grad()
    def __call__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 image: Tensor) -> list[int]:
        """Return labels of the classes, in the order of ``base_labels``.

        Args:
            clip (FrozenCLIP): Encodes the texts, once.
            vocabulary (Vocabulary): Its base classes are chosen from.
            image (Tensor): ``(B, D)``.
        """
        labels = vocabulary.base_labels
        keep = self.draw_ranks(len(labels)).to(image.device)
        if keep.all():
            return labels
        text = self._text(clip, vocabulary, labels)
        score = similarity(image, text, clip.logit_scale).amax(0)
        own = torch.isin(torch.tensor(labels, device=image.device),
                         self.targets.to(image.device))
        order = score.masked_fill(own, torch.inf).argsort(descending=True)
        keep[:int(own.sum())] = True
        chosen = order[keep].sort().values
        return [labels[i] for i in chosen.tolist()]

    def draw_ranks(self, count: int) -> Tensor:
        """Draw which ranks ``(count, )`` are kept, always the same ones."""
        top = min(math.ceil(self.share * count), self.most)
        rest = torch.exp(-torch.linspace(0, 5, count - top) / self.scale)
        if len(rest) > 1:
            rest = (rest - rest.min()) / (rest.max() - rest.min())
        chance = torch.cat([torch.ones(top), rest])
        generator = torch.Generator().manual_seed(self.seed)
        return torch.rand(count, generator=generator) < chance
