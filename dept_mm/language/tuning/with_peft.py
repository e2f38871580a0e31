"""Low-rank updates and learned scales, by the library peft."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.tuning.base import LanguageTuning
from dept_mm.registry import MODELS


class PeftTuning(LanguageTuning):
    """Let the library peft put its layers into the model.

    Embeddings and modules that the head does not use are left out.

    Args:
        lm, parts: See ``LanguageTuning``.
        **options: Arguments of peft's config ``kind``.

    Raises:
        DeptError: If peft is not installed or refuses the options.
    """
    kind: str

    def __init__(self, lm: FrozenLanguageModel, parts: Sequence[nn.Module],
                 **options: Any) -> None:
        super().__init__(lm, parts)
        peft = import_peft()
        known = set(self.used_modules())
        left_out = [name for name, m in lm.model.named_modules()
                    if not len(m._modules) and (
                        (name, m) not in known or isinstance(m, nn.Embedding))]
        try:
            config = getattr(peft, self.kind)(
                exclude_modules=left_out, **options)
            peft.inject_adapter_in_model(config, lm.model)
        except (TypeError, ValueError) as error:
            raise DeptError(f'{type(self).__name__}: {error} The options are '
                            f'{options}.') from error
        self.options = options
        for name, parameter in list(lm.model.named_parameters()):
            if parameter.requires_grad:
                self.own(name, parameter)

    @property
    def settings(self) -> dict:
        """Options of peft; see ``LanguageTuning``."""
        return {key: sorted(value) if isinstance(value, (list, tuple, set))
                else value for key, value in sorted(self.options.items())}

    def fold(self, model: nn.Module) -> None:
        """Let peft merge its layers into those that they changed."""
        from peft.tuners.tuners_utils import BaseTunerLayer
        for name, layer in list(model.named_modules()):
            if isinstance(layer, BaseTunerLayer):
                layer.merge()
                place, _, leaf = name.rpartition('.')
                setattr(model.get_submodule(place), leaf,
                        layer.get_base_layer())


@MODELS.register_module()
class LoRA(PeftTuning):
    r"""Add a product of two thin matrices to weights, :math:`W + \alpha/r BA`.

    "LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al., ICLR
    2022), in the layers and with the start that peft's ``LoraConfig`` chooses
    for the model.

    Args:
        lm, parts: See ``LanguageTuning``.
        r (int): Rank. Defaults to 8.
        lora_alpha (float): Scale of the update, divided by ``r``.
            Defaults to 8.
        **options: More of ``LoraConfig``, such as ``target_modules``.

    Examples:
        >>> tuning = dict(type='LoRA', r=8, lora_alpha=16)
    """
    kind, size = 'LoraConfig', 'r'

    def __init__(self, lm: FrozenLanguageModel, parts: Sequence[nn.Module],
                 r: int = 8, lora_alpha: float = 8, **options: Any) -> None:
        super().__init__(lm, parts, r=r, lora_alpha=lora_alpha, **options)
        self.r = r


@MODELS.register_module()
class IA3(PeftTuning):
    """Scale keys, values and inner activations by learned vectors.

    "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than
    In-Context Learning" (Liu et al., NeurIPS 2022), in the layers that peft's
    ``IA3Config`` chooses for the model.

    Args:
        lm, parts: See ``LanguageTuning``.
        **options: Options of ``IA3Config``.

    Examples:
        >>> tuning = dict(type='IA3')
    """
    kind = 'IA3Config'


def import_peft() -> Any:
    """Import peft, which only these methods need.

    Raises:
        DeptError: If peft is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise DeptError('LoRA and IA3 need the library peft: pip install '
                        '"dept-mm[language]".') from error
    return peft
