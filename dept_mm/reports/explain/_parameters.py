"""What is learned, what is frozen."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from torch import nn

from dept_mm.models import PromptedCLIP


def parameter_table(model: nn.Module) -> dict:
    """Trainable parameters by owner, and counts.

    Returns:
        dict: ``learned``, rows with ``name``, ``owner``, ``shape``,
        ``count`` and ``dtype``; ``learned_count``, ``learned_bytes``,
        ``frozen_count`` and ``frozen_bytes``.
    """
    rows = [dict(name=name, owner=_owner(name), shape=list(p.shape),
                 count=p.numel(), dtype=str(p.dtype).removeprefix('torch.'))
            for name, p in model.named_parameters() if p.requires_grad]
    frozen = [p for p in model.parameters() if not p.requires_grad]
    backbone = getattr(model, 'backbone', None)
    if isinstance(backbone, PromptedCLIP):
        frozen += list(backbone.clip.parameters())
    return dict(
        learned=rows, learned_count=sum(row['count'] for row in rows),
        learned_bytes=_bytes(p for p in model.parameters()
                             if p.requires_grad),
        frozen_count=sum(p.numel() for p in frozen),
        frozen_bytes=_bytes(frozen))


def _owner(name: str) -> str:
    """``backbone.prompt.context`` is the prompt's."""
    first, second = (name.split('.') + [''])[:2]
    return second if (first, second) == ('backbone', 'prompt') else first


def _bytes(parameters: Iterable[nn.Parameter]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)


def collapse(names: Iterable[str], kind: Callable = lambda name: None
             ) -> dict[str, list[str]]:
    """Put names that differ in one number together.

    Args:
        names (Iterable[str]): Names of parameters.
        kind (Callable): Only names of one kind go together.

    Examples:
        >>> collapse(['text.0', 'text.1', 'context'])
        {'text.{0-1}': ['text.0', 'text.1'], 'context': ['context']}
    """
    groups: dict[tuple, list[str]] = {}
    for name in names:
        pattern = re.sub(r'\.\d+', '.#', name, count=1)
        groups.setdefault((pattern, kind(name)), []).append(name)
    found = {}
    for (pattern, _), group in groups.items():
        if len(group) > 1:
            numbers = [int(re.search(r'\.(\d+)', n)[1]) for n in group]
            pattern = pattern.replace('#', f'{{{_span(numbers)}}}')
            found[pattern] = group
        else:
            found[group[0]] = group
    return found


def _span(numbers: list[int]) -> str:
    first, last = min(numbers), max(numbers)
    if last - first == len(numbers) - 1:
        return f'{first}-{last}'
    return ','.join(map(str, numbers))
