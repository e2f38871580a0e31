"""Base class of the heads that ask a language model."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.task import Task
from dept_mm.language.tokens import Tokens


class Encoded(NamedTuple):
    """Hidden states of a batch of texts, with prompts in front.

    Attributes:
        hidden (Tensor): Hidden states ``(B, T, W)``.
        mask (Tensor): ``(B, T)`` bool, False at padding.
        shift (int): Number of prompt tokens; token ``i`` of the text has the
            index ``i + shift``.
    """
    hidden: Tensor
    mask: Tensor
    shift: int


# Called with tokens and, optionally, a mask (B, S) of those from which late
# prompts may be generated.
Encode = Callable[..., Encoded]
Texts = Sequence[Mapping[str, str]]


class TextHead(BaseModule):
    """Base class of heads: fill texts into a template and read the answer.

    ``PromptedLanguageModel`` builds its head and passes ``lm`` and
    ``max_length``; a config does not contain them.

    Args:
        lm (FrozenLanguageModel): The frozen model.
        task (str | Mapping | Task): The task; see ``Task.resolve``.
        max_length (int): Largest number of tokens of an input. Longer inputs
            lose the end of their longest text, never part of the template.
        template (str, optional): Template to use instead of the task's.

    Attributes:
        writes (bool): Whether answers may be any text.

    Raises:
        DeptError: If the answers of the task are texts, and the head cannot
            write.
    """
    writes = False

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None) -> None:
        super().__init__()
        self.lm, self.task = lm, Task.resolve(task)
        if self.task.answers and not self.writes:
            raise DeptError(f'{type(self).__name__}: the answers of the task '
                            'are texts; take a Seq2SeqHead and a model with a '
                            'decoder.')
        self.max_length = max_length
        self.template = template or self.default_template()
        self.shown = {name for _, name, _, _ in
                      Formatter().parse(self.template)}

    @property
    def settings(self) -> dict:
        """Settings that a checkpoint must match although shapes do not show
        them; JSON types."""
        return {}

    @property
    def question(self) -> dict:
        """How the model is asked, which a checkpoint must match, too."""
        return dict(template=self.template)

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The modules of the language model that the head uses beside the
        tower."""
        return ()

    def default_template(self) -> str:
        """Return the task's template for this kind of model.

        Raises:
            DeptError: If the task has no such template.
        """
        if '{mask}' not in self.task.template:
            raise DeptError(f'{type(self).__name__}: the task needs a '
                            'template with {mask} for the answer; it has '
                            f'{self.task.template!r}.')
        return self.task.template

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the losses of a batch.

        Args:
            encode (Callable): Runs the model with its prompts.
            texts (Sequence[Mapping]): ``B`` dicts of texts by name.
            samples (list[DataSample]): Their labels or values.
        """
        raise NotImplementedError

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Write the predictions into the samples; see :meth:`loss`."""
        raise NotImplementedError

    def score_tokens(self, encode: Encode, tokens: Tokens) -> Tensor:
        """Compute logits ``(B, C)`` of what :meth:`ask` returns, or values
        ``(B, 1)`` in regression.

        Raises:
            DeptError: If the answer is not read off one run of the model.
        """
        raise DeptError(
            f'{type(self).__name__} does not read its answer off one run of '
            'the model, as LinearTextHead and MaskedLMHead do.')

    def ask(self, texts: Texts) -> Tokens:
        """Fill texts into the template, with the model's own words for the
        mask and for what separates texts."""
        return self.tokenize(texts, **self.signs)

    @property
    def signs(self) -> dict[str, str]:
        """What stands for ``{mask}`` and ``{sep}`` in the template."""
        return dict(mask='', sep=self.lm.tokenizer.sep_token or '')

    def tokenize(self, texts: Texts, **words: str) -> Tokens:
        """Fill texts into the template and tokenize them as one batch."""
        return self.lm.pad_rows(
            [self.tokenize_one(one, **words) for one in texts])

    def tokenize_one(self, texts: Mapping[str, str], **words: str
                     ) -> list[int]:
        """Fill one sample into the template, cut it to ``max_length`` tokens.

        Args:
            texts (Mapping): The texts of the sample by name.
            **words: Other words for the template, which are never cut.

        Returns:
            list[int]: Token ids.

        Raises:
            DeptError: If the template is too long without any text.
        """
        # Only texts that the template shows can be cut to make it shorter.
        texts = {name: text for name, text in texts.items()
                 if name in self.shown}
        while True:
            text = self.template.format(**texts, **words)
            ids, = self.lm.tokenize([text])
            excess = len(ids) - self.max_length
            if excess <= 0:
                return ids
            longest = max(
                texts, key=lambda name: self.lm.count_tokens(texts[name]))
            if not texts[longest]:
                raise DeptError(
                    f'The template {self.template!r} alone takes {len(ids)} '
                    f'tokens, but max_length is {self.max_length}.')
            texts[longest] = self.lm.shorten(texts[longest], excess)


def stack_labels(samples: Sequence[DataSample], device: torch.device
                 ) -> Tensor:
    """Stack the labels of the samples into a tensor ``(B, )``."""
    return torch.cat([s.gt_label for s in samples]).to(device)


def write_scores(samples: list[DataSample], scores: Tensor
                 ) -> list[DataSample]:
    """Write the probabilities of logits ``(B, C)`` into the samples."""
    for sample, row in zip(samples, scores.float().softmax(-1), strict=True):
        sample.set_pred_score(row).set_pred_label(row.argmax())
    return samples


def require_words(head: TextHead) -> tuple[str, ...]:
    """Return the label words of the task.

    Raises:
        DeptError: If the task has none.
    """
    if not head.task.words:
        raise DeptError(f'{type(head).__name__}: the task has no words for '
                        f'its classes {head.task.classes}.')
    return head.task.words
