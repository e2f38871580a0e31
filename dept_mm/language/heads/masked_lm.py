"""Answers of a masked language model."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.heads.base import (
    Encode,
    TextHead,
    Texts,
    need_words,
    scored,
    targets,
)
from dept_mm.language.task import Task
from dept_mm.registry import MODELS


@MODELS.register_module()
class MaskedLMHead(TextHead):
    """The word at ``{mask}`` is the answer.

    As in "Late Prompt Tuning" (Liu et al., 2022), section 4: cross-entropy
    over the whole vocabulary in training, the best of the label words in
    evaluation. The model's own frozen head scores words; nothing is learned
    here.

    Args:
        lm, task, max_length, template: See ``TextHead``.
        restrict_loss (bool): Cross-entropy over the label words only.
            Defaults to False.

    Raises:
        DeptError: If the model has no mask or no head for words, or a label
            word is not one of its words.
    """

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None,
                 restrict_loss: bool = False) -> None:
        super().__init__(lm, task, max_length, template)
        if lm.tokenizer.mask_token_id is None:
            raise DeptError(f'MaskedLMHead: {lm.name!r} has no mask token; '
                            'take CausalLMHead, Seq2SeqHead or '
                            'LinearTextHead.')
        lm.word_head  # noqa: B018  raises where there is none
        self.word_ids = [lm.word_id(word) for word in need_words(self)]
        self.restrict_loss = restrict_loss

    def forward(self, encode: Encode, texts: Texts) -> Tensor:
        """Scores of all words ``(B, V)``."""
        special = self.lm.tokenizer
        tokens = self.tokens(texts, mask=special.mask_token,
                             sep=special.sep_token or '')
        place = (tokens.ids == special.mask_token_id).int().argmax(1)
        out = encode(tokens)
        rows = torch.arange(len(place), device=place.device)
        return self.lm.scores(out.hidden[rows, place + out.shift])

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Cross-entropy."""
        scores = self(encode, texts)
        target = targets(samples, scores.device)
        if self.restrict_loss:
            scores = scores[:, self.word_ids]
        else:
            target = torch.tensor(self.word_ids, device=target.device)[target]
        return dict(loss=F.cross_entropy(scores.float(), target))

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """The best label word."""
        return scored(samples, self(encode, texts)[:, self.word_ids])
