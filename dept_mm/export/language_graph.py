"""A tuned language model as one graph of plain weights."""
from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError

if TYPE_CHECKING:
    from dept_mm.language import Encoded, PromptedLanguageModel, Tokens
    from dept_mm.language.use import TunedTextModel


class LanguageGraph(nn.Module):
    """Turn token ids into what the head says.

    What was learned inside the language model is folded into a copy of its
    weights.

    Args:
        model (TunedTextModel): It stays as it is.

    Attributes:
        inputs, outputs, axes, part: See ``ImageGraph``.

    Raises:
        DeptError: If the model has something that no weight can take up, or
            is not fp32.
    """
    inputs = ('input_ids', 'attention_mask')

    def __init__(self, model: TunedTextModel) -> None:
        from dept_mm.language import FrozenLanguageModel
        super().__init__()
        module = model.module
        found = merge_or_refuse(module)
        if any(p.dtype != torch.float32 for p in found.parameters()):
            raise DeptError('The weights of the language model are not fp32, '
                            "in which graphs compute: give lm=dict(name=..., "
                            "dtype='float32'), or model.lm.dtype=float32.")
        self.head = copy(module.head)
        self.head.lm = lm = FrozenLanguageModel(
            found, module.lm.tokenizer, module.lm.name, module.lm.absent)
        self.weights, self.tower = lm.model, lm.tower
        self.part = f'{lm.name} with {type(self.head).__name__}'
        self.outputs = ('logits', 'probabilities')[:1 + bool(model.classes)]
        both = {0: 'batch', 1: 'length'}
        self.axes = dict.fromkeys(self.inputs, both) | dict.fromkeys(
            self.outputs, {0: 'batch'})
        self.eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor
                ) -> tuple[Tensor, ...]:
        """Compute logits ``(B, C)`` and, if there are classes, their
        probabilities.

        Args:
            input_ids (Tensor): ``(B, S)``, padded on the right.
            attention_mask (Tensor): ``(B, S)``, 0 at padding.
        """
        from dept_mm.language import Tokens
        logits = self.head.score_tokens(
            self._encode, Tokens(input_ids, attention_mask.bool())).float()
        return (logits, logits.softmax(1))[:len(self.outputs)]

    def _encode(self, tokens: Tokens) -> Encoded:
        """Run the tower."""
        from dept_mm.language import Encoded
        embeds = F.embedding(tokens.ids, self.tower.words.weight)
        return Encoded(*self.tower(embeds, tokens.mask), 0)


def merge_or_refuse(module: PromptedLanguageModel) -> nn.Module:
    """Return a model of transformers with what was learned in its weights.

    Raises:
        DeptError: If that is not possible.
    """
    prompts = module.input_prompt is not None or len(module.late_prompts)
    if module.tuning is None and not prompts:
        return module.lm.model  # only the head was learned
    try:
        return module.merge()
    except DeptError as error:
        from dept_mm.language.tuning import list_foldable
        raise DeptError(f'{error} A model can be exported that was tuned by '
                        f'{", ".join(list_foldable())}, or of which only the '
                        'head was learned.') from error
