"""Wrap a frozen language model of transformers, its tokenizer and tower."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.language.tokens import Tokens
from dept_mm.language.towers import TOWERS
from dept_mm.models.clip.frozen_clip import weights_digest


class FrozenLanguageModel:
    """A language model of transformers whose weights do not change.

    It is not an ``nn.Module``, so a module that holds it does not list its
    parameters.

    Args:
        model (nn.Module): A model of a family in ``TOWERS``, with the head
            that scores words.
        tokenizer: A fast tokenizer of transformers, or None if only token ids
            are used.
        name (str): Name for error messages and checkpoints.
        absent (Sequence[str]): Parameters that the weights file lacked.
            Defaults to none.
        origin (FrozenLanguageModel, optional): The one whose weights these
            are, perhaps in another dtype.

    Raises:
        DeptError: If the family is unknown.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, name: str,
                 absent: Sequence[str] = (),
                 origin: FrozenLanguageModel | None = None) -> None:
        family = model.config.model_type
        if family not in TOWERS:
            raise DeptError(f'Language model {name!r} is a {family!r}; '
                            f'prompts can be put into {sorted(TOWERS)}.')
        self.model = model.requires_grad_(False).eval()
        self.tokenizer, self.name, self.absent = tokenizer, name, absent
        self.family, self.origin = family, origin
        self.tower = TOWERS[family](model)

    @property
    def has_decoder(self) -> bool:
        """Whether the model has a decoder."""
        return self.model.config.is_encoder_decoder

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights as they are stored; those that the file
        lacks are random, and do not count."""
        return (self.origin.digest if self.origin
                else weights_digest(self.model, self.absent))

    def share(self, dtype: torch.dtype | None = None) -> FrozenLanguageModel:
        """Make another one that has modules of its own on these weights.

        Its mode, its device and its parts may change without a trace in this
        one. Weights take no memory of their own until they are moved or get
        another dtype.

        Args:
            dtype (torch.dtype, optional): Of its weights. Defaults to that of
                each weight here. Buffers keep theirs: rotary frequencies, for
                example, are always fp32.
        """
        # T5 overflows in fp16 but for these; transformers keeps them, too.
        kept = dtype == torch.float16 and getattr(
            self.model, '_keep_in_fp32_modules', None) or ()
        memo: dict = {id(b): b.detach() for b in self.model.buffers()}
        for name, weight in self.model.named_parameters():
            fixed = dtype is None or not {*kept}.isdisjoint(name.split('.'))
            memo[id(weight)] = nn.Parameter(
                weight.detach().to(weight.dtype if fixed else dtype), False)
        return FrozenLanguageModel(
            deepcopy(self.model, memo), self.tokenizer, self.name,
            self.absent, self.origin or self)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.tower.words.weight.device

    @property
    def pad_id(self) -> int:
        """Token id of padding; any id will do, because padding is masked."""
        return self.tokenizer.pad_token_id or 0

    def apply(self, fn: Callable) -> None:
        """Apply a function to all tensors, as ``nn.Module._apply`` does."""
        self.model._apply(fn)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Turn texts into token ids with special tokens; nothing is cut."""
        return self.tokenizer(list(texts), truncation=False,
                              verbose=False)['input_ids']

    def pad_rows(self, rows: Sequence[Sequence[int]]) -> Tokens:
        """Pad lists of token ids into one batch on the model's device."""
        return Tokens.pad(rows, self.pad_id).to(self.device)

    def shorten(self, text: str, drop: int) -> str:
        """Remove the last ``drop`` tokens of a text."""
        spans = self.tokenizer(text, add_special_tokens=False, verbose=False,
                               return_offsets_mapping=True)['offset_mapping']
        return text[:spans[-drop][0]] if drop < len(spans) else ''

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text without special tokens."""
        return len(self.tokenizer(text, add_special_tokens=False,
                                  verbose=False)['input_ids'])

    def find_word_id(self, word: str) -> int:
        """Find the token id of a word inside a sentence.

        Raises:
            DeptError: If the word is not exactly one known token.
        """
        ids = self.tokenizer(f' {word}', add_special_tokens=False)['input_ids']
        if len(ids) != 1 or ids[0] == self.tokenizer.unk_token_id:
            raise DeptError(f'{self.name!r} splits label word {word!r} into '
                            f'{self.tokenizer.convert_ids_to_tokens(ids)}; '
                            'take a word of one token.')
        return ids[0]

    def score_words(self, hidden: Tensor) -> Tensor:
        """Turn hidden states ``(..., W)`` into word scores ``(..., V)``."""
        return self.word_head(hidden)

    @property
    def word_head(self) -> nn.Module:
        """The head that turns hidden states into scores of words.

        Raises:
            DeptError: If the weights file has no such head.
        """
        name = 'cls' if self.family == 'bert' else 'lm_head'
        missing = [key for key in self.absent if key.startswith(name)]
        if missing:
            raise DeptError(
                f'The weights of {self.name!r} have no head for words '
                f'({missing[0]} is missing): take a LinearTextHead, or '
                'weights of a language model.')
        return getattr(self.model, name)
