"""Small networks inside the blocks of a model."""
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.tuning.base import LanguageTuning
from dept_mm.registry import MODELS

START = .01  # deviation of weights at the start, as in the paper


class Bottleneck(nn.Module):
    r"""Compute :math:`h + W_2\,\mathrm{GELU}(W_1 h + b_1) + b_2` in fp32.

    Args:
        width (int): ``W``, of ``h``.
        bottleneck (int): Width between the two layers.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        for layer in (self.down, self.up):
            nn.init.trunc_normal_(layer.weight, std=START, a=-2 * START,
                                  b=2 * START)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map hidden states ``(..., W)``."""
        x = self.down(hidden.to(self.down.weight.dtype))
        return hidden + self.up(nn.functional.gelu(x)).to(hidden.dtype)

    def join(self, module: nn.Module, given: tuple, output: Tensor) -> Tensor:
        """Map what a module returns; a forward hook of it."""
        return self(output)


@MODELS.register_module()
class BottleneckAdapters(LanguageTuning):
    """Put a small network behind each attention and each MLP.

    "Parameter-Efficient Transfer Learning for NLP" (Houlsby et al., ICML
    2019): it maps the output of either layer before this joins the residual
    stream, and starts near the identity. The norms are not learned. Peft has
    no such adapters, and the library ``adapters`` needs models and an older
    transformers of its own.

    Args:
        lm, parts: See ``LanguageTuning``.
        bottleneck (int): Width of the network. Defaults to 8.

    Raises:
        DeptError: If ``bottleneck`` is less than 1.

    Examples:
        >>> tuning = dict(type='BottleneckAdapters', bottleneck=16)
    """
    size = 'bottleneck'

    def __init__(self, lm: FrozenLanguageModel, parts: Sequence[nn.Module],
                 bottleneck: int = 8) -> None:
        super().__init__(lm, parts)
        if bottleneck < 1:
            raise DeptError(f'BottleneckAdapters: bottleneck is {bottleneck}; '
                            'it must be at least 1.')
        self.bottleneck = bottleneck
        self.adapters = nn.ModuleList()
        ends = tuple(f'.{name}' for name in lm.tower.outputs)
        for name, module in self.used_modules():
            if name.endswith(ends):
                adapter = Bottleneck(lm.tower.width, bottleneck)
                module.register_forward_hook(adapter.join)
                self.adapters.append(adapter)
