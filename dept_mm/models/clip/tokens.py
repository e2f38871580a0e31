"""Turn class names into sentences of token ids."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.utils.kept import Kept


@dataclass(frozen=True, eq=False)
class ClassTokens:
    """Hold one tokenised sentence per class, without learned context.

    Attributes:
        ids (Tensor): ``(C, T)`` token ids: start, words, end, padding.
        end (Tensor): ``(C, )`` slot of the end-of-text token.
        name_end (Tensor): ``(C, )`` slot behind the class name.
        start (int): Number of start tokens; 0 in T5-like vocabularies.
        name_start (int): Slot of the first token of each class name.
        layouts (dict): What a tower has found out about these sentences.
        hidden (Kept): Their hidden states below the first block that
            something learned enters.
        whole (tuple[ClassTokens, Tensor], optional): The sentences of which
            these are some, and their rows ``(C, )`` there.
    """
    ids: Tensor
    end: Tensor
    name_end: Tensor
    start: int = 1
    name_start: int = 1
    layouts: dict = field(default_factory=dict, init=False, repr=False)
    hidden: Kept = field(default_factory=Kept, init=False, repr=False)
    whole: tuple[ClassTokens, Tensor] | None = field(default=None, repr=False)

    def map(self, fn: Callable[[Tensor], Tensor]) -> ClassTokens:
        """Apply a function to each tensor."""
        return ClassTokens(fn(self.ids), fn(self.end), fn(self.name_end),
                           self.start, self.name_start)

    def subset(self, rows: Sequence[int]) -> ClassTokens:
        """Return some of the sentences, which a tower may find in what it
        keeps of all."""
        at = torch.tensor(rows, device=self.ids.device)
        return replace(self.map(lambda t: t[at]), whole=(self, at))


class Words:
    """Encode bare words, and know the tokens that go around a sentence.

    Args:
        tokenizer: open_clip's CLIP tokenizer, or its wrapper of a Hugging
            Face tokenizer.

    Raises:
        DeptError: If the tokenizer is of another kind.
    """

    def __init__(self, tokenizer) -> None:
        if hasattr(tokenizer, 'eot_token_id'):
            self.encode = tokenizer.encode
            self.start = [tokenizer.sot_token_id]
            self.end = [tokenizer.eot_token_id]
            self.pad = 0
            return
        inner = getattr(tokenizer, 'tokenizer', None)
        clean = getattr(tokenizer, 'clean_fn', None)
        if inner is None or clean is None or getattr(
                tokenizer, 'tokenizer_mode', None):
            raise DeptError(f'The tokenizer {type(tokenizer).__name__} of '
                            'this CLIP is not supported.')

        def encode(text: str, special: bool = False) -> list[int]:
            return inner(clean(text), add_special_tokens=special)['input_ids']

        self.encode = encode
        words, whole = encode('a'), encode('a', special=True)
        start = next(i for i in range(len(whole))
                     if whole[i:i + len(words)] == words)
        self.start = whole[:start]
        self.end = whole[start + len(words):]
        self.pad = inner.pad_token_id


def tokenize_classes(words: Words, tower, names: Sequence[str], template: str,
                     num_context: int) -> ClassTokens:
    """Tokenise ``template`` filled with each name.

    A causal tower cannot look beyond the end-of-text token, so its ids are
    cut behind the longest sentence, which is exact; another tower gets its
    full context, less the slots of the learned tokens.

    Args:
        words (Words): Of the CLIP's tokenizer.
        tower: The tower the ids are for.
        names (Sequence[str]): Class names; ``_`` is written as a space.
        template (str): A sentence with ``{}``.
        num_context (int): Slots to keep free for learned tokens.

    Raises:
        DeptError: If a sentence is too long, or two class names make one
            sentence; it names the class. Classes that share a name differ in
            their identities, which their vocabulary says.
    """
    room = tower.context_length - num_context
    head, start = template.partition('{}')[0], len(words.start)
    rows, name_end, seen = [], [], {}
    for name in names:
        plain = name.replace('_', ' ')
        row = [*words.start, *words.encode(template.replace('{}', plain)),
               *words.end]
        if len(row) > room:
            raise DeptError(
                f'Class {name!r}: its sentence has {len(row)} tokens and '
                f'{num_context} learned ones join it, but the text tower has '
                f'room for {tower.context_length}. Shorten the name or the '
                "template, or lower 'num_tokens'.")
        if (other := seen.setdefault(tuple(row), name)) != name:
            raise DeptError(
                f'The classes {other!r} and {name!r} are one sentence to '
                f'this CLIP, {template.format(plain)!r}, so it cannot tell '
                'them apart. Rename one, or merge them.')
        rows.append(row)
        name_end.append(start + len(words.encode(head + plain)))
    return ClassTokens(*_pad(words, tower, rows, room),
                       torch.tensor(name_end), start,
                       start + len(words.encode(head)))


def tokenize_sentences(words: Words, tower, pairs: Sequence[tuple[str, str]]
                       ) -> ClassTokens:
    """Tokenise complete sentences, which are encoded without prompts.

    Args:
        words (Words): Of the CLIP's tokenizer.
        tower: The tower the ids are for.
        pairs (Sequence[tuple[str, str]]): Class name, for messages, and
            sentence.

    Raises:
        DeptError: If a sentence is too long; it names class and sentence.
    """
    room, start, rows = tower.context_length, len(words.start), []
    for name, sentence in pairs:
        row = [*words.start, *words.encode(sentence), *words.end]
        if len(row) > room:
            raise DeptError(
                f'Class {name!r}: the sentence {sentence!r} has {len(row)} '
                f'tokens, but the text tower has room for {room}. Shorten '
                'or remove it.')
        rows.append(row)
    ids, end = _pad(words, tower, rows, room)
    # No part of the sentence is marked as the name.
    return ClassTokens(ids, end, torch.full_like(end, start), start, start)


def _pad(words: Words, tower, rows: Sequence[Sequence[int]], room: int
         ) -> tuple[Tensor, Tensor]:
    """Pad rows of ids to ``(C, T)``, and find the slots ``(C, )`` of their
    ends."""
    end = torch.tensor([len(row) - 1 for row in rows])
    length = int(end.max()) + 1 if tower.causal else room
    ids = torch.full((len(rows), length), words.pad)
    for row, tokens in zip(ids, rows, strict=True):
        row[:len(tokens)] = torch.tensor(tokens)
    return ids, end
