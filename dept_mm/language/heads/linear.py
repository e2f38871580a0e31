"""A linear layer on a language model."""
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
    Encoded,
    TextHead,
    Texts,
    scored,
    targets,
)
from dept_mm.language.task import Task
from dept_mm.registry import MODELS

POOLS = ('first', 'last', 'mean', 'prompt')


@MODELS.register_module()
class LinearTextHead(TextHead):
    """A trained linear layer on one hidden state: classes or a value.

    Args:
        lm, task, max_length, template: See ``TextHead``; by default the
            task's texts stand one behind the other.
        pool (str, optional): ``'first'`` or ``'last'`` token of the input,
            the ``'mean'`` over its tokens, or the first ``'prompt'`` token,
            which is what the public code reads where it means the first.
            Defaults to the token that has seen all.

    Raises:
        DeptError: If the pool is unknown.
    """

    def __init__(self, lm: FrozenLanguageModel, task: str | Mapping | Task,
                 max_length: int, template: str | None = None,
                 pool: str | None = None) -> None:
        super().__init__(lm, task, max_length, template)
        self.pool = pool or lm.tower.anchor
        if self.pool not in POOLS:
            raise DeptError(f'LinearTextHead: pool {pool!r} is not one of '
                            f'{POOLS}.')
        self.linear = nn.Linear(lm.tower.width,
                                len(self.task.classes) or 1)

    @property
    def settings(self) -> dict:
        """See ``TextHead``."""
        return dict(pool=self.pool)

    def default_template(self) -> str:
        """The task's texts, with a separator where the model has one."""
        return ' {sep} '.join(f'{{{name}}}' for name in self.task.columns)

    def forward(self, encode: Encode, texts: Texts) -> Tensor:
        """Logits ``(B, C)``, or values ``(B, 1)``."""
        tokens = self.tokens(texts, sep=self.lm.tokenizer.sep_token or '',
                             mask='')
        pooled = self.pooled(encode(tokens))
        return self.linear(pooled.to(self.linear.weight.dtype))

    def pooled(self, out: Encoded) -> Tensor:
        """The hidden state that is read, ``(B, W)``."""
        own = out.mask[:, out.shift:]
        if self.pool == 'mean':
            hidden = out.hidden[:, out.shift:] * own[..., None]
            return hidden.sum(1) / own.sum(1, keepdim=True)
        if self.pool == 'last':
            rows = torch.arange(len(own), device=own.device)
            return out.hidden[rows, out.shift + own.sum(1) - 1]
        return out.hidden[:, 0 if self.pool == 'prompt' else out.shift]

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Cross-entropy, or the mean squared error of values."""
        scores = self(encode, texts)
        if self.task.classes:
            return dict(loss=F.cross_entropy(
                scores, targets(samples, scores.device)))
        value = scores.new_tensor([s.gt_value for s in samples])
        return dict(loss=F.mse_loss(scores[:, 0], value))

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Probabilities, or values."""
        scores = self(encode, texts)
        if self.task.classes:
            return scored(samples, scores)
        for sample, value in zip(samples, scores[:, 0].tolist(),
                                 strict=True):
            sample.set_field(value, 'pred_value')
        return samples
