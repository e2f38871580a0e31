"""Language models of published sizes, and what prompt methods cost on them."""
from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import torch

from dept_mm.language import (
    FrozenLanguageModel,
    PromptedLanguageModel,
    Tokens,
)
from dept_mm.language.loading import import_transformers
from dept_mm.reports.counting import count

# RoBERTa-large and the encoder of T5-base.
SIZES = dict(
    roberta=('RobertaConfig', 'RobertaModel', dict(
        hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
        intermediate_size=4096, max_position_embeddings=514,
        vocab_size=50265, type_vocab_size=1, pad_token_id=1)),
    t5=('T5Config', 'T5EncoderModel', dict(
        d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)))
FULL = 'full tuning'
# On T5 those that learn have the 76,800 parameters of 100 soft tokens, or
# up to one rank less.
METHODS = {
    FULL: None,
    'no prompt': None,
    'soft 20': dict(type='SoftPrompt', num_tokens=20),
    'late 5': dict(type='LatePrompt', layer=12, num_tokens=5,
                   generator='npg'),
    'soft 100': dict(type='SoftPrompt', num_tokens=100),
    'decomposed 40': dict(type='DecomposedPrompt', num_tokens=40,
                          rank='match:100', max_length=256),
    'decomposed 20': dict(type='DecomposedPrompt', num_tokens=20,
                          rank='match:100', max_length=256),
    'adept 60': dict(type='ADePTPrompt', num_tokens=60, rank='match:100')}


class Work(NamedTuple):
    """A forward pass of a batch, and a backward one where it learns.

    Attributes:
        family (str): A key of ``SIZES``.
        method (str): A key of ``METHODS``.
        length (int): Tokens of each input.
        learns (bool): Whether it is a training step.
        dropout (bool): Of the frozen model in training, as in public code.
            Defaults to True.
    """
    family: str
    method: str
    length: int
    learns: bool
    dropout: bool = True

    def way(self, device: str, batch: int) -> Callable[[], None]:
        """What does it, again and again."""
        model = build(self.family, self.method, device)
        model.backbone_eval = not self.dropout
        model.train(self.learns)
        ids = torch.zeros(batch, self.length, dtype=torch.long,
                          device=device)
        return partial(self._run, model, Tokens(ids, ids == 0))

    def _run(self, model: PromptedLanguageModel, tokens: Tokens) -> None:
        lm, full = model.lm, self.method == FULL
        lm.model.requires_grad_(full)  # methods share it
        with torch.set_grad_enabled(self.learns):
            if full:
                hidden, _ = lm.tower(lm.tower.words(tokens.ids), tokens.mask)
            else:
                hidden = model.encode(tokens).hidden
        if self.learns:
            hidden[..., 0].sum().backward()


@cache
def count_cost(work: Work) -> tuple[int, int]:
    """Floating-point operations and kept bytes of 8 inputs, counted on
    tensors without storage."""
    model = build(work.family, work.method, 'meta')
    run = work.way('meta', 8)
    if not work.learns:
        run()  # offsets are merged once
    counted, _ = count(run, [*model.lm.model.parameters(),
                             *model.parameters()])
    return counted.forward, counted.kept


@cache
def build(family: str, method: str, device: str) -> PromptedLanguageModel:
    """A model with a method's prompt."""
    prompt = METHODS[method]
    with torch.device(device):
        return PromptedLanguageModel(
            _frozen(family, device), dict(type='LinearTextHead', task='sst2'),
            [prompt] if prompt else [])


@cache
def _frozen(family: str, device: str) -> FrozenLanguageModel:
    """A model with random weights."""
    hf = import_transformers()
    config, model, size = SIZES[family]
    with torch.device(device):
        return FrozenLanguageModel(
            getattr(hf, model)(getattr(hf, config)(**size)), None, family)
