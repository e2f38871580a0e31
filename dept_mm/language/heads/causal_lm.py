"""Answers of a causal language model."""
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
from dept_mm.language.tokens import Tokens
from dept_mm.registry import MODELS


@MODELS.register_module()
class CausalLMHead(TextHead):
    """The likeliest of the sentences with each label word is the answer.

    As in "Late Prompt Tuning" (Liu et al., 2022) for GPT-2: the loss is the
    mean negative log-likelihood of the right sentence, from the first token
    on that the sentences differ in; the prediction is the sentence of the
    smallest one. Prompts are generated from what stands before, so that they
    know nothing of the answer. Nothing is learned here.

    Args:
        lm, task, max_length, template: See ``TextHead``.

    Raises:
        DeptError: If the model is not causal.
    """

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None) -> None:
        super().__init__(lm, task, max_length, template)
        if not lm.tower.causal:
            raise DeptError(f'CausalLMHead: {lm.name!r} is not causal; take '
                            'MaskedLMHead, Seq2SeqHead or LinearTextHead.')
        self.words = need_words(self)

    def candidates(self, texts: Mapping[str, str]
                   ) -> tuple[list[list[int]], int]:
        """Ids of the sentence with each word, and how many they share.

        Raises:
            DeptError: If they differ from the start.
        """
        rows = [self.ids(texts, mask=word, sep='') for word in self.words]
        shared = 0
        # Label words may take different numbers of tokens.
        for column in zip(*rows, strict=False):
            if len(set(column)) > 1:
                break
            shared += 1
        if not shared:
            raise DeptError(f'CausalLMHead: the template {self.template!r} '
                            'starts with the answer; nothing predicts it.')
        return rows, shared

    def surprise(self, encode: Encode, tokens: Tokens, shared: Tensor
                 ) -> Tensor:
        """Mean negative log-likelihood of each sentence's end, ``(B, )``.

        Args:
            encode (Callable): Runs the model.
            tokens (Tokens): ``B`` sentences.
            shared (Tensor): ``(B, )``, tokens that belong to the question.
        """
        place = torch.arange(tokens.ids.shape[1], device=shared.device)
        ahead = place < shared[:, None]
        out = encode(tokens, ahead)
        row, slot = (tokens.mask & ~ahead).nonzero(as_tuple=True)
        scores = self.lm.scores(out.hidden[row, slot - 1 + out.shift])
        loss = F.cross_entropy(scores.float(), tokens.ids[row, slot],
                               reduction='none')
        total = loss.new_zeros(len(shared)).index_add(0, row, loss)
        return total / row.bincount(minlength=len(shared))

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """That of the right sentences."""
        right = targets(samples, torch.device('cpu')).tolist()
        found = [self.candidates(one) for one in texts]
        tokens = self.lm.pad_rows([rows[i] for (rows, _), i in
                                   zip(found, right, strict=True)])
        shared = torch.tensor([n for _, n in found], device=self.lm.device)
        return dict(loss=self.surprise(encode, tokens, shared).mean())

    def forward(self, encode: Encode, texts: Texts) -> Tensor:
        """Mean log-likelihood of the sentence of each class, ``(B, C)``."""
        found = [self.candidates(one) for one in texts]
        tokens = self.lm.pad_rows([row for rows, _ in found for row in rows])
        shared = torch.tensor([n for _, n in found], device=self.lm.device)
        count = len(self.words)
        return -self.surprise(encode, tokens,
                              shared.repeat_interleave(count)).view(-1, count)

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """The least surprising sentence."""
        return scored(samples, self(encode, texts))
