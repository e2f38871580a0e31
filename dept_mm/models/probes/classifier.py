"""Probes that are one linear layer on normalised features."""
from __future__ import annotations

import torch
from torch import Tensor

from dept_mm.models.probes.base import BaseProbe


class ClassifierProbe(BaseProbe):
    """Base class of probes whose logits are ``W f + b``.

    ``f`` is the normalised image feature, and ``W`` may already contain the
    class texts.

    Args:
        clip, vocabulary: As in ``BaseProbe``.
    """
    row_keys = ('weight', 'bias')

    def __init__(self, clip, vocabulary) -> None:
        super().__init__(clip, vocabulary)
        size = len(self.class_ids)
        self.register_buffer('weight', torch.zeros(size, self.width))
        self.register_buffer('bias', torch.zeros(size))
        self.init_header()

    def set_classifier(self, weight: Tensor, bias: Tensor | None = None
                       ) -> None:
        """Copy ``weight (K, D)`` and ``bias (K, )``; None is zero."""
        self.weight.copy_(weight)
        self.bias.zero_() if bias is None else self.bias.copy_(bias)

    def score(self, image: Tensor, text: Tensor, rows: list[int],
              scale: Tensor) -> Tensor:
        """Compute the difference between own logits and similarities."""
        weight = self.weight[rows] - scale * text
        return torch.addmm(self.bias[rows].to(image), image,
                           weight.to(image).T)
