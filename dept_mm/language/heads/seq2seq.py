"""Answers that a decoder writes."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.heads.base import Encode, Encoded, TextHead, Texts
from dept_mm.language.task import Task
from dept_mm.registry import MODELS


@MODELS.register_module()
class Seq2SeqHead(TextHead):
    """The decoder writes the number of the class as text, or a value.

    As in the public code of "Decomposed Prompt Tuning" (Shi and Lipani,
    2024) and ADePT: class ``i`` is the text ``'i'``, a value is rounded to
    the task's ``step``, the answer is decoded greedily, and one that is no
    class counts as wrong. Nothing is learned here.

    Args:
        lm, task, max_length, template: See ``TextHead``; the template is
            the task's ``source``.
        max_new_tokens (int): Longest answer. Defaults to 20.

    Raises:
        DeptError: If the model has no decoder.
    """

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None,
                 max_new_tokens: int = 20) -> None:
        if not lm.generates:
            raise DeptError(f'Seq2SeqHead: {lm.name!r} has no decoder; take '
                            'MaskedLMHead, CausalLMHead or LinearTextHead.')
        super().__init__(lm, task, max_length, template)
        self.max_new_tokens = max_new_tokens

    def default_template(self) -> str:
        """What the model reads; there is no mask in it."""
        return self.task.source

    def answer(self, sample: DataSample) -> str:
        """What the decoder should write."""
        if self.task.classes:
            return str(int(sample.gt_label))
        value, step = float(sample.gt_value), self.task.step
        return f'{round(value / step) * step if step else value:.1f}'

    def scores(self, encoded: Encoded, labels: Tensor) -> Tensor:
        """Scores of the words of an answer ``(B, N)``, ``(B, N, V)``."""
        return self.lm.model(
            encoder_outputs=(encoded.hidden, ), labels=labels,
            attention_mask=encoded.mask.long()).logits

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Cross-entropy over the words of all answers."""
        rows = self.lm.token_ids([self.answer(s) for s in samples])
        answer = self.lm.pad_rows(rows)
        labels = answer.ids.masked_fill(~answer.mask, -100)
        scores = self.scores(encode(self.tokens(texts, sep='')), labels)
        return dict(loss=F.cross_entropy(scores.flatten(0, 1).float(),
                                         labels.flatten()))

    def forward(self, encode: Encode, texts: Texts) -> list[str]:
        """What the decoder writes."""
        from transformers.modeling_outputs import BaseModelOutput
        out = encode(self.tokens(texts, sep=''))
        written = self.lm.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=out.hidden),
            attention_mask=out.mask.long(), do_sample=False, num_beams=1,
            max_new_tokens=self.max_new_tokens)
        return self.lm.tokenizer.batch_decode(written,
                                              skip_special_tokens=True)

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Read what is written; no class is the label -1."""
        for sample, text in zip(samples, self(encode, texts), strict=True):
            if self.task.classes:
                sample.set_pred_label(torch.tensor(self._class(text)))
            else:
                sample.set_field(self._value(text), 'pred_value')
        return samples

    def _class(self, text: str) -> int:
        known = [str(i) for i in range(len(self.task.classes))]
        text = text.strip()
        return known.index(text) if text in known else -1

    @staticmethod
    def _value(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return 0.
