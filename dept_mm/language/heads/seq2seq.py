"""Let the decoder of a sequence-to-sequence model write the answer."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.heads.base import Encode, Encoded, TextHead, Texts
from dept_mm.language.task import Task
from dept_mm.registry import MODELS


@MODELS.register_module()
class Seq2SeqHead(TextHead):
    """Let the decoder write the number of the class, a value, or a text.

    The head follows the public code of "Decomposed Prompt Tuning" (Shi and
    Lipani, 2024) and ADePT. The answer for class ``i`` is the text ``'i'``; a
    value is rounded to the task's ``step``. Answers are decoded greedily, and
    an answer that is not a class counts as wrong. The head has no parameters.

    Args:
        lm, task, max_length, template: See ``TextHead``. The default template
            is the task's ``source``.
        max_new_tokens (int): Largest number of tokens of an answer.
            Defaults to 20.

    Raises:
        DeptError: If the model has no decoder.

    Examples:
        >>> head = dict(type='Seq2SeqHead', task='rte')
    """
    writes = True

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None,
                 max_new_tokens: int = 20) -> None:
        if not lm.has_decoder:
            raise DeptError(f'Seq2SeqHead: {lm.name!r} has no decoder; take '
                            'MaskedLMHead, CausalLMHead or LinearTextHead.')
        super().__init__(lm, task, max_length, template)
        self.max_new_tokens = max_new_tokens

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Decoder and head for words, too; see ``TextHead``."""
        return (self.lm.model, )

    def default_template(self) -> str:
        """Return the task's ``source``, which has no mask."""
        return self.task.source

    def make_answer(self, sample: DataSample) -> str:
        """Return the text that the decoder should write for a sample."""
        if self.task.classes:
            return str(int(sample.gt_label))
        if self.task.answers:
            return sample.gt_texts[0]
        value, step = float(sample.gt_value), self.task.step
        return f'{round(value / step) * step if step else value:.1f}'

    def score_answer(self, encoded: Encoded, labels: Tensor) -> Tensor:
        """Compute the word scores ``(B, N, V)`` of answers ``(B, N)``."""
        return self.lm.model(
            encoder_outputs=(encoded.hidden, ), labels=labels,
            attention_mask=encoded.mask.long()).logits

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the cross-entropy over the words of all answers."""
        rows = self.lm.tokenize([self.make_answer(s) for s in samples])
        answer = self.lm.pad_rows(rows)
        labels = answer.ids.masked_fill(~answer.mask, -100)
        encoded = encode(self.tokenize(texts, sep=''))
        scores = self.score_answer(encoded, labels)
        return dict(loss=F.cross_entropy(scores.flatten(0, 1).float(),
                                         labels.flatten()))

    def forward(self, encode: Encode, texts: Texts) -> list[str]:
        """Return the texts that the decoder writes."""
        from transformers.modeling_outputs import BaseModelOutput
        out = encode(self.tokenize(texts, sep=''))
        written = self.lm.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=out.hidden),
            attention_mask=out.mask.long(), do_sample=False, num_beams=1,
            max_new_tokens=self.max_new_tokens)
        return self.lm.tokenizer.batch_decode(written,
                                              skip_special_tokens=True)

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Read classes or values from the decoder's texts, or keep the texts.

        The label is -1 where the text is not a class, and the value is 0
        where the text is not a number.
        """
        for sample, text in zip(samples, self(encode, texts), strict=True):
            if self.task.classes:
                sample.set_pred_label(torch.tensor(self._read_class(text)))
            elif self.task.answers:
                sample.set_field(text.strip(), 'pred_text')
            else:
                sample.set_field(self._read_value(text), 'pred_value')
        return samples

    def _read_class(self, text: str) -> int:
        known = [str(i) for i in range(len(self.task.classes))]
        text = text.strip()
        return known.index(text) if text in known else -1

    @staticmethod
    def _read_value(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return 0.
