"""Choose the values that learned tokens start from."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.clip.tokens import Words
from dept_mm.structures import Prompts


def start_rows(init: Tensor | float | None, count: int, width: int) -> Tensor:
    """Make the ``(count, width)`` rows that tokens start from.

    Args:
        init (Tensor | float, optional): Rows ``(n, width)``, repeated or cut
            to ``count``, or the deviation of noise. None is 0.02.

    Raises:
        DeptError: If the rows are of another width, or there are none.
    """
    if not isinstance(init, Tensor):
        return torch.randn(count, width) * (0.02 if init is None else init)
    if init.ndim != 2 or init.shape[1] != width or not len(init):
        raise DeptError(f'init: rows of shape {tuple(init.shape)} cannot '
                        f'start tokens of width {width}.')
    rows = torch.arange(count, device=init.device) % len(init)
    return init.detach()[rows].float().clone()


def sample_rows(table: Tensor, count: int, seed: int = 0,
                exclude: Iterable[int] = (), limit: int = 5000) -> Tensor:
    """Draw different rows of a table, for example words of a vocabulary.

    The draw depends on the seed alone, so that all processes agree. Early
    entries of a vocabulary are its frequent ones ("The Power of Scale", Lester
    et al., EMNLP 2021).

    Args:
        table (Tensor): ``(V, W)``.
        count (int): ``n``.
        seed (int): Of a generator of its own. Defaults to 0.
        exclude (Iterable[int]): Rows never drawn: special tokens.
        limit (int): Draw from the first so many rows. Defaults to 5000.

    Returns:
        Tensor: ``(n, W)``.

    Raises:
        DeptError: If the table has fewer rows to draw.
    """
    taken = set(exclude)
    rows = torch.tensor([i for i in range(min(limit, len(table)))
                         if i not in taken], dtype=torch.long)
    if count > len(rows):
        raise DeptError(f'{count} rows cannot be drawn from {len(rows)}: '
                        'take fewer tokens.')
    order = torch.randperm(len(rows),
                           generator=torch.Generator().manual_seed(seed))
    return table.detach()[rows[order[:count]].to(table.device)]


def word_rows(clip: FrozenCLIP, words: str) -> Tensor:
    """Return the token embeddings ``(n, W)`` of words, on the CPU in fp32."""
    return clip.embed_words(words).float().cpu()


def vocabulary_rows(clip: FrozenCLIP, count: int, seed: int) -> Tensor:
    """Draw the embeddings ``(count, W)`` of different words."""
    words = Words(clip.tokenizer)
    table = clip.text_tower.text.token_embedding.weight
    special = [*words.start, *words.end, words.pad]
    return sample_rows(table, count, seed, special)


@torch.no_grad()
def text_hidden(clip: FrozenCLIP, names: Sequence[str], template: str,
                layer: int) -> Tensor:
    """Compute hidden states ``(n, W)`` of class sentences after ``layer``
    blocks, without the start tokens."""
    found, tokens = [], clip.tokenize(names, template)

    def note(hidden: Tensor, last: Tensor) -> Tensor:
        slots = torch.arange(hidden.shape[1], device=hidden.device)
        found.append(hidden[(slots >= tokens.start)
                            & (slots <= last[:, None])])
        return hidden[:, :1]

    clip.encode_text(tokens, Prompts(inserted={layer: note}))
    return found[0]


@torch.no_grad()
def image_hidden(clip: FrozenCLIP, layer: int) -> Tensor:
    """Compute hidden states ``(n, W)`` of the patches of a plain image in the
    mean colour."""
    found, side = [], clip.image_tower.image_size

    def note(hidden: Tensor, last: Tensor) -> Tensor:
        found.append(hidden[0, 1:])
        return hidden[:, :1]

    device = clip.model.logit_scale.device
    clip.encode_image(torch.zeros(1, 3, side, side, device=device),
                      Prompts(inserted={layer: note}))
    return found[0]
