"""Classify texts with a causal language model."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.heads.base import (
    Encode,
    TextHead,
    Texts,
    require_words,
    stack_labels,
    write_scores,
)
from dept_mm.language.task import Task
from dept_mm.language.tokens import Tokens
from dept_mm.registry import MODELS


@MODELS.register_module()
class CausalLMHead(TextHead):
    """Choose the label word that makes the most likely sentence.

    The head follows "Late Prompt Tuning" (Liu et al., 2022) for GPT-2. One
    sentence is made per class by putting its label word into the template.
    The loss is the mean negative log-likelihood of the correct sentence,
    counted from the first token in which the sentences differ. The prediction
    is the sentence with the lowest one. Late prompts are generated only from
    the tokens before that place, so they do not see the answer. The head has
    no parameters.

    Args:
        lm, task, max_length, template: See ``TextHead``.

    Raises:
        DeptError: If the model is not causal, or the task has no words.

    Examples:
        >>> head = dict(type='CausalLMHead', task='sst2')
    """

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None) -> None:
        super().__init__(lm, task, max_length, template)
        if not lm.tower.causal:
            raise DeptError(f'CausalLMHead: {lm.name!r} is not causal; take '
                            'MaskedLMHead, Seq2SeqHead or LinearTextHead.')
        self.words = require_words(self)

    @property
    def question(self) -> dict:
        """The label words, too; see ``TextHead``."""
        return dict(super().question, words=list(self.words))

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The head that scores words; see ``TextHead``."""
        return (self.lm.word_head, )

    def default_template(self) -> str:
        """Return the task's template for causal models, if it has one."""
        return self.task.causal or super().default_template()

    def build_candidates(self, texts: Mapping[str, str]
                         ) -> tuple[list[list[int]], int]:
        """Build one sentence per label word.

        Returns:
            tuple[list[list[int]], int]: Token ids of the ``C`` sentences, and
            the number of tokens at the start that all of them share.

        Raises:
            DeptError: If the first tokens already differ.
        """
        rows = [self.tokenize_one(texts, mask=word, sep='')
                for word in self.words]
        shared = 0
        # Label words may take different numbers of tokens.
        for column in zip(*rows, strict=False):
            if len(set(column)) > 1:
                break
            shared += 1
        if not shared:
            raise DeptError(f'CausalLMHead: the template {self.template!r} '
                            'starts with the answer, so no token comes '
                            'before it to predict it.')
        return rows, shared

    def compute_nll(self, encode: Encode, tokens: Tokens, shared: Tensor
                    ) -> Tensor:
        """Compute the mean negative log-likelihood of the sentences' ends.

        Args:
            encode (Callable): Runs the model with its prompts.
            tokens (Tokens): ``B`` sentences.
            shared (Tensor): Number of tokens before the end, ``(B, )``.

        Returns:
            Tensor: ``(B, )``.
        """
        place = torch.arange(tokens.ids.shape[1], device=shared.device)
        ahead = place < shared[:, None]
        out = encode(tokens, ahead)
        row, slot = (tokens.mask & ~ahead).nonzero(as_tuple=True)
        scores = self.lm.score_words(out.hidden[row, slot - 1 + out.shift])
        loss = F.cross_entropy(scores.float(), tokens.ids[row, slot],
                               reduction='none')
        total = loss.new_zeros(len(shared)).index_add(0, row, loss)
        return total / row.bincount(minlength=len(shared))

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the negative log-likelihood of the correct sentences."""
        right = stack_labels(samples, torch.device('cpu')).tolist()
        found = [self.build_candidates(one) for one in texts]
        tokens = self.lm.pad_rows([rows[i] for (rows, _), i in
                                   zip(found, right, strict=True)])
        shared = torch.tensor([n for _, n in found], device=self.lm.device)
        return dict(loss=self.compute_nll(encode, tokens, shared).mean())

    def forward(self, encode: Encode, texts: Texts) -> Tensor:
        """Compute the mean log-likelihood of the sentence of each class,
        ``(B, C)``."""
        found = [self.build_candidates(one) for one in texts]
        tokens = self.lm.pad_rows([row for rows, _ in found for row in rows])
        shared = torch.tensor([n for _, n in found], device=self.lm.device)
        count = len(self.words)
        nll = self.compute_nll(encode, tokens, shared.repeat_interleave(count))
        return -nll.view(-1, count)

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Predict the class with the most likely sentence."""
        return write_scores(samples, self(encode, texts))
