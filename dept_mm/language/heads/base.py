"""What every head of a language model shares."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.task import Task
from dept_mm.language.tokens import Tokens


class Encoded(NamedTuple):
    """What the tower makes of a batch, prompts in front.

    Attributes:
        hidden (Tensor): ``(B, T, W)``.
        mask (Tensor): ``(B, T)`` bool.
        shift (int): Slots that prompts take: token ``i`` is at ``i +
            shift``.
    """
    hidden: Tensor
    mask: Tensor
    shift: int


# Tokens, and optionally which of them prompts may be generated from (B, S).
Encode = Callable[..., Encoded]
Texts = Sequence[Mapping[str, str]]


class TextHead(BaseModule):
    """Asks a frozen language model, and reads the answer.

    It is built with the model, which it does not own.

    Args:
        lm (FrozenLanguageModel): The model.
        task (str | Mapping | Task): See ``Task.resolve``.
        max_length (int): Longest input; the longest of its texts is cut, so
            that the template stays whole.
        template (str, optional): Instead of the task's.
    """

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None) -> None:
        super().__init__()
        self.lm, self.task = lm, Task.resolve(task)
        self.max_length = max_length
        self.template = template or self.default_template()

    @property
    def settings(self) -> dict:
        """What its tensors mean, where shapes do not tell; JSON types."""
        return {}

    def default_template(self) -> str:
        """The task's template for this kind of model.

        Raises:
            DeptError: If it has none.
        """
        if '{mask}' not in self.task.template:
            raise DeptError(f'{type(self).__name__}: the task needs a '
                            'template with {mask} for the answer; it has '
                            f'{self.task.template!r}.')
        return self.task.template

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Losses of a batch."""
        raise NotImplementedError

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Write predictions into the samples."""
        raise NotImplementedError

    def tokens(self, texts: Texts, **words: str) -> Tokens:
        """Templates, filled in and cut to ``max_length``."""
        return self.lm.pad_rows([self.ids(one, **words) for one in texts])

    def ids(self, texts: Mapping[str, str], **words: str) -> list[int]:
        """Ids of one filled template.

        Args:
            texts (Mapping): Name -> text.
            **words: What else stands in the template; never cut.
        """
        texts = dict(texts)
        while True:
            text = self.template.format(**texts, **words)
            ids, = self.lm.token_ids([text])
            excess = len(ids) - self.max_length
            if excess <= 0:
                return ids
            longest = max(texts, key=lambda name: self.lm.length(texts[name]))
            if not texts[longest]:
                raise DeptError(
                    f'The template {self.template!r} alone takes {len(ids)} '
                    f'tokens, but max_length is {self.max_length}.')
            texts[longest] = self.lm.shorten(texts[longest], excess)


def targets(samples: Sequence[DataSample], device: torch.device) -> Tensor:
    """Labels ``(B, )``."""
    return torch.cat([s.gt_label for s in samples]).to(device)


def scored(samples: list[DataSample], scores: Tensor) -> list[DataSample]:
    """Samples with the probabilities of logits ``(B, C)``."""
    for sample, row in zip(samples, scores.float().softmax(-1), strict=True):
        sample.set_pred_score(row).set_pred_label(row.argmax())
    return samples


def need_words(head: TextHead) -> tuple[str, ...]:
    """The task's label words.

    Raises:
        DeptError: If it has none.
    """
    if not head.task.words:
        raise DeptError(f'{type(head).__name__}: the task has no words for '
                        f'its classes {head.task.classes}.')
    return head.task.words
