"""Classify texts with a linear layer on a language model."""
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
    stack_labels,
    write_scores,
)
from dept_mm.language.task import Task
from dept_mm.language.tokens import Tokens
from dept_mm.registry import MODELS

POOLS = ('first', 'last', 'mean', 'prompt')


@MODELS.register_module()
class LinearTextHead(TextHead):
    """Predict a class or a value with a trained linear layer.

    Args:
        lm, task, max_length, template: See ``TextHead``. The default template
            joins the texts of the task.
        pool (str, optional): The hidden state that the layer reads: that of
            the ``'first'`` or ``'last'`` token of the text, the ``'mean'``
            over its tokens, or that of the first ``'prompt'`` token (which
            the public code reads where it intends the first token of the
            text). Defaults to the token that has seen the whole input.

    Raises:
        DeptError: If ``pool`` is unknown.

    Examples:
        >>> head = dict(type='LinearTextHead', task='sst2', pool='mean')
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
        """Settings that a checkpoint must match; see ``TextHead``."""
        return dict(pool=self.pool)

    def default_template(self) -> str:
        """Join the texts of the task by the model's separator, if any."""
        return ' {sep} '.join(f'{{{name}}}' for name in self.task.columns)

    def forward(self, encode: Encode, texts: Texts) -> Tensor:
        """Compute logits ``(B, C)``, or values ``(B, 1)`` in regression."""
        return self.score_tokens(encode, self.ask(texts))

    def score_tokens(self, encode: Encode, tokens: Tokens) -> Tensor:
        """Compute them of tokens; see ``TextHead``."""
        pooled = self.pool_states(encode(tokens))
        return self.linear(pooled.to(self.linear.weight.dtype))

    def pool_states(self, out: Encoded) -> Tensor:
        """Select the hidden states that the layer reads, ``(B, W)``."""
        own = out.mask[:, out.shift:]
        if self.pool == 'mean':
            hidden = out.hidden[:, out.shift:] * own[..., None]
            return hidden.sum(1) / own.sum(1, keepdim=True)
        if self.pool == 'last':
            # Not len(own), which would be a constant of an exported graph.
            rows = torch.arange(own.shape[0], device=own.device)
            return out.hidden[rows, out.shift + own.sum(1) - 1]
        return out.hidden[:, 0 if self.pool == 'prompt' else out.shift]

    def loss(self, encode: Encode, texts: Texts,
             samples: list[DataSample]) -> dict[str, Tensor]:
        """Compute the cross-entropy, or the mean squared error of values."""
        scores = self(encode, texts)
        if self.task.classes:
            return dict(loss=F.cross_entropy(
                scores, stack_labels(samples, scores.device)))
        value = scores.new_tensor([s.gt_value for s in samples])
        return dict(loss=F.mse_loss(scores[:, 0], value))

    def predict(self, encode: Encode, texts: Texts,
                samples: list[DataSample]) -> list[DataSample]:
        """Predict classes with probabilities, or values in regression."""
        scores = self(encode, texts)
        if self.task.classes:
            return write_scores(samples, scores)
        for sample, value in zip(samples, scores[:, 0].tolist(),
                                 strict=True):
            sample.set_field(value, 'pred_value')
        return samples
