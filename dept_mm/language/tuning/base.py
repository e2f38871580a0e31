"""The interface of methods that tune the model itself."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from mmengine.model import BaseModule
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel


class LanguageTuning(BaseModule):
    """Learn something inside a language model, and own what is learned.

    ``PromptedLanguageModel`` builds it and passes ``lm`` and ``parts``; a
    config does not contain them. A subclass changes modules of the model, or
    adds some, and calls :meth:`own` with the parameters that are learned, so
    that ``parameters()`` and checkpoints contain those and nothing else.

    Args:
        lm (FrozenLanguageModel): Its modules belong to this run alone.
        parts (Sequence[nn.Module]): The modules of the model that the head
            uses. Whatever is outside gets no gradient.

    Attributes:
        size (str, optional): The option that sets the number of parameters,
            and the attribute that tells it.
    """
    size: ClassVar[str | None] = None

    def __init__(self, lm: FrozenLanguageModel, parts: Sequence[nn.Module]
                 ) -> None:
        super().__init__()
        self.__dict__['_where'] = lm, tuple(parts)  # no submodules

    @property
    def settings(self) -> dict:
        """Settings that a checkpoint must match although shapes do not show
        them; JSON types."""
        return {}

    @property
    def deep_tokens(self) -> Tensor | None:
        """Tokens ``(blocks, m, W)`` in front of the input of each block."""
        return None

    def fold(self, model: nn.Module) -> None:
        """Fold what is learned into the weights of a copy of the model.

        Raises:
            DeptError: If the method cannot be folded.
        """
        raise DeptError(f'{type(self).__name__} adds parts to the model that '
                        'no weight of it can take up; it cannot be merged.')

    def used_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Name the parameters of the parts, each of them once."""
        lm, parts = self._where
        used = {id(p) for part in parts for p in part.parameters()}
        return ((name, p) for name, p in lm.model.named_parameters()
                if id(p) in used)

    def used_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Name the modules of the parts."""
        lm, parts = self._where
        used = {id(m) for part in parts for m in part.modules()}
        return ((name, m) for name, m in lm.model.named_modules()
                if id(m) in used)

    def own(self, name: str, parameter: nn.Parameter) -> None:
        """Learn a parameter of the model, in fp32, under its own name."""
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
        *path, leaf = name.split('.')
        place: nn.Module = self
        for key in path:
            if key not in place._modules:
                place.add_module(key, nn.Module())
            place = place._modules[key]
        place.register_parameter(leaf, parameter)
