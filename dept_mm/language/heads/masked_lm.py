"""Classify texts with a masked language model."""
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
class MaskedLMHead(TextHead):
    """Choose the label word that fits best at ``{mask}`` in the template.

    The head follows section 4 of "Late Prompt Tuning" (Liu et al., 2022):
    training minimises the cross-entropy over all words of the model, and
    evaluation takes the best label word. The model's own frozen head scores
    words, so this head has no parameters.

    Args:
        lm, task, max_length, template: See ``TextHead``.
        restrict_loss (bool): Whether the cross-entropy is taken over the
            label words only. Defaults to False.

    Raises:
        DeptError: If the model has no mask token or no head for words, or a
            label word is not a single token.

    Examples:
        >>> head = dict(type='MaskedLMHead', task='sst2')
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
        self.word_ids = [lm.find_word_id(word) for word in require_words(self)]
        self.restrict_loss = restrict_loss

    @property
    def question(self) -> dict:
        """The label words, too; see ``TextHead``."""
        return dict(super().question, words=list(self.task.words))

    @property
    def signs(self) -> dict[str, str]:
        """The mask token for the answer; see ``TextHead``."""
        return dict(super().signs, mask=self.lm.tokenizer.mask_token)

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The head that scores words; see ``TextHead``."""
        return (self.lm.word_head, )

    def forward(self, encode: Encode, texts: Texts) -> Tensor:
        """Compute the scores ``(B, V)`` of all words at the mask."""
        return self.score_mask(encode, self.ask(texts))

    def score_tokens(self, encode: Encode, tokens: Tokens) -> Tensor:
        """Compute the scores of the label words; see ``TextHead``."""
        return self.score_mask(encode, tokens)[:, self.word_ids]

    def score_mask(self, encode: Encode, tokens: Tokens) -> Tensor:
        """Compute the scores ``(B, V)`` of all words at the mask."""
        place = (tokens.ids == self.lm.tokenizer.mask_token_id).int().argmax(1)
        out = encode(tokens)
        # Not len(place), which would be a constant of an exported graph.
        rows = torch.arange(place.shape[0], device=place.device)
        return self.lm.score_words(out.hidden[rows, place + out.shift])

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the cross-entropy of the label words."""
        scores = self(encode, texts)
        target = stack_labels(samples, scores.device)
        if self.restrict_loss:
            scores = scores[:, self.word_ids]
        else:
            target = torch.tensor(self.word_ids, device=target.device)[target]
        return dict(loss=F.cross_entropy(scores.float(), target))

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Predict the class with the best label word."""
        return write_scores(samples,
                            self.score_tokens(encode, self.ask(texts)))
