"""Class sentences as token ids."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dept_mm.errors import DeptError


class ClassTokens(NamedTuple):
    """One sentence per class, without learned context.

    Attributes:
        ids (Tensor): ``(C, T)`` token ids: start, words, end, padding.
        end (Tensor): ``(C, )`` slot of the end-of-text token.
        name_end (Tensor): ``(C, )`` slot behind the class name.
    """
    ids: Tensor
    end: Tensor
    name_end: Tensor

    def to(self, device: torch.device) -> ClassTokens:
        """The same on another device."""
        return ClassTokens(*(t.to(device) for t in self))


def tokenize_classes(tokenizer, tower, names: Sequence[str], template: str,
                     num_context: int) -> ClassTokens:
    """Tokenise ``template`` filled with each name.

    A causal tower cannot look beyond the end-of-text token, so its ids are
    cut behind the longest sentence, which is exact; another tower gets its
    full context, less the slots of the learned tokens.

    Args:
        tokenizer: open_clip's tokenizer.
        tower (TextTower): The tower the ids are for.
        names (Sequence[str]): Class names; ``_`` is written as a space.
        template (str): A sentence with ``{}``.
        num_context (int): Slots to keep free for learned tokens.

    Raises:
        DeptError: If a sentence is too long; it names the class.
    """
    if not hasattr(tokenizer, 'encode') or not hasattr(tokenizer,
                                                       'eot_token_id'):
        raise DeptError(f'The tokenizer {type(tokenizer).__name__} of this '
                        'CLIP is not supported: prompts need the BPE '
                        'tokenizer of CLIP.')
    room = tower.context_length - num_context
    head = template.partition('{}')[0]
    rows, name_end = [], []
    for name in names:
        plain = name.replace('_', ' ')
        words = tokenizer.encode(template.format(plain))
        if len(words) + 2 > room:
            raise DeptError(
                f'Class {name!r}: its sentence has {len(words) + 2} tokens '
                f'and {num_context} learned ones join it, but the text tower '
                f'has room for {tower.context_length}. Shorten the name or '
                "the template, or lower 'num_tokens'.")
        rows.append([tokenizer.sot_token_id, *words, tokenizer.eot_token_id])
        name_end.append(1 + len(tokenizer.encode(head + plain)))
    end = torch.tensor([len(row) - 1 for row in rows])
    length = int(end.max()) + 1 if tower.causal else room
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    for row, tokens in zip(ids, rows, strict=True):
        row[:len(tokens)] = torch.tensor(tokens)
    return ClassTokens(ids, end, torch.tensor(name_end))
