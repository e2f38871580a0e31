"""A frozen language model: tokenizer, tower and vocabulary scores."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.language.tokens import Tokens
from dept_mm.language.towers import TOWERS
from dept_mm.models.clip.frozen_clip import weights_digest


class FrozenLanguageModel:
    """A model of transformers whose weights stay.

    No ``nn.Module``, so that whoever holds it has none of its parameters.

    Args:
        model (nn.Module): With the head for words, of a family in
            ``TOWERS``.
        tokenizer: A fast tokenizer of transformers, or None where token ids
            are given.
        name (str): For messages and checkpoints.
        absent (Sequence[str]): Parameters that the weights did not have.

    Raises:
        DeptError: If the family is not known.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, name: str,
                 absent: Sequence[str] = ()) -> None:
        family = model.config.model_type
        if family not in TOWERS:
            raise DeptError(f'Language model {name!r} is a {family!r}; '
                            f'prompts can be put into {sorted(TOWERS)}.')
        self.model = model.requires_grad_(False).eval()
        self.tokenizer, self.name, self.absent = tokenizer, name, absent
        self.family = family
        self.tower = TOWERS[family](model)

    @property
    def generates(self) -> bool:
        """Whether a decoder writes the answer."""
        return self.model.config.is_encoder_decoder

    @cached_property
    def digest(self) -> str:
        """Sha256 of the weights."""
        return weights_digest(self.model)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.tower.words.weight.device

    @property
    def pad(self) -> int:
        """Id of padding; any will do, it is masked."""
        return self.tokenizer.pad_token_id or 0

    def apply(self, fn: Callable) -> None:
        """Move all tensors, as ``nn.Module._apply``."""
        self.model._apply(fn)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of texts, with special tokens, of any length."""
        return self.tokenizer(list(texts), truncation=False,
                              verbose=False)['input_ids']

    def pad_rows(self, rows: Sequence[Sequence[int]]) -> Tokens:
        """Lists of ids as one batch."""
        return Tokens.pad(rows, self.pad).to(self.device)

    def shorten(self, text: str, drop: int) -> str:
        """A text without its last ``drop`` tokens."""
        spans = self.tokenizer(text, add_special_tokens=False, verbose=False,
                               return_offsets_mapping=True)['offset_mapping']
        return text[:spans[-drop][0]] if drop < len(spans) else ''

    def length(self, text: str) -> int:
        """Tokens of a text, special ones left out."""
        return len(self.tokenizer(text, add_special_tokens=False,
                                  verbose=False)['input_ids'])

    def word_id(self, word: str) -> int:
        """Id of a word inside a sentence.

        Raises:
            DeptError: If it takes several tokens, or none that is known.
        """
        ids = self.tokenizer(f' {word}', add_special_tokens=False)['input_ids']
        if len(ids) != 1 or ids[0] == self.tokenizer.unk_token_id:
            raise DeptError(f'Label word {word!r} is '
                            f'{self.tokenizer.convert_ids_to_tokens(ids)} to '
                            f'{self.name!r}; take a word of one token.')
        return ids[0]

    def scores(self, hidden: Tensor) -> Tensor:
        """Scores of all words, ``(..., W)`` to ``(..., V)``."""
        return self.word_head(hidden)

    @property
    def word_head(self) -> nn.Module:
        """What turns hidden states into scores.

        Raises:
            DeptError: If the weights had none.
        """
        name = 'cls' if self.family == 'bert' else 'lm_head'
        missing = [key for key in self.absent if key.startswith(name)]
        if missing:
            raise DeptError(
                f'The weights of {self.name!r} have no head for words '
                f'({missing[0]} is missing): take a LinearTextHead, or '
                'weights of a language model.')
        return getattr(self.model, name)
