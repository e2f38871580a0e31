"""Methods that learn weights of the model itself."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.tuning.base import LanguageTuning
from dept_mm.registry import MODELS


@MODELS.register_module()
class FullTuning(LanguageTuning):
    """Learn all weights of the model that the head uses.

    Args:
        lm, parts: See ``LanguageTuning``.

    Raises:
        DeptError: If the weights are not fp32, or none is learned.

    Examples:
        >>> tuning = dict(type='FullTuning')
    """

    def __init__(self, lm: FrozenLanguageModel, parts: Sequence[nn.Module]
                 ) -> None:
        super().__init__(lm, parts)
        chosen = {name: p for name, p in self.used_parameters()
                  if self.is_learned(name)}
        method = type(self).__name__
        if not chosen:
            raise DeptError(f'{method}: {lm.name!r} has no such weights.')
        if any(p.dtype != torch.float32 for p in chosen.values()):
            raise DeptError(f'{method} learns weights of the model, which '
                            "must be fp32: set lm=dict(dtype='float32'), and "
                            'train with --amp to compute in 16 bits.')
        for name, parameter in chosen.items():
            parameter.data = parameter.data.clone()  # others use them, too
            self.own(name, parameter)

    def is_learned(self, name: str) -> bool:
        """Whether the weight of this name is learned."""
        return True

    def fold(self, model: nn.Module) -> None:
        """Leave the model as it is: its own weights were learned."""


@MODELS.register_module()
class BitFit(FullTuning):
    """Learn all biases of the model, those of norms included.

    "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based
    Masked Language-models" (Ben Zaken et al., ACL 2022). Peft trains biases
    only beside other parameters. T5 and LLaMA have no biases.

    Args:
        lm, parts: See ``LanguageTuning``.

    Raises:
        DeptError: If the weights are not fp32, or there are no biases.

    Examples:
        >>> tuning = dict(type='BitFit')
    """

    def is_learned(self, name: str) -> bool:
        """Whether the weight of this name is learned."""
        return name.endswith('.bias')
