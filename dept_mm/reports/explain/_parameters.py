"""Which parameters of a model are learned, and how many are frozen."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from torch import nn

from dept_mm.models import PromptedCLIP


def list_parameters(model: nn.Module) -> dict:
    """List the learned parameters and count the frozen ones.

    Returns:
        dict: ``learned``, rows with ``name``, ``owner``, ``shape``, ``count``
        and ``dtype``; ``learned_count``, ``learned_bytes``, ``frozen_count``
        and ``frozen_bytes``.
    """
    rows = [dict(name=name, owner=_name_owner(name), shape=list(p.shape),
                 count=p.numel(), dtype=str(p.dtype).removeprefix('torch.'))
            for name, p in model.named_parameters() if p.requires_grad]
    frozen = [p for p in model.parameters() if not p.requires_grad]
    backbone = getattr(model, 'backbone', None)
    if isinstance(backbone, PromptedCLIP):
        frozen += list(backbone.clip.parameters())
    if hasattr(model, 'lm'):  # a language model, which is no submodule either
        own = {id(p) for p in model.parameters()}  # some methods learn there
        frozen += [p for p in model.lm.model.parameters()
                   if id(p) not in own]
    return dict(
        learned=rows, learned_count=sum(row['count'] for row in rows),
        learned_bytes=_count_bytes(p for p in model.parameters()
                             if p.requires_grad),
        frozen_count=sum(p.numel() for p in frozen),
        frozen_bytes=_count_bytes(frozen))


def _name_owner(name: str) -> str:
    """Return the module that owns a parameter: ``backbone.prompt.*`` is the
    prompt's."""
    first, second = (name.split('.') + [''])[:2]
    return second if (first, second) == ('backbone', 'prompt') else first


def _count_bytes(parameters: Iterable[nn.Parameter]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)


def collapse_names(names: Iterable[str], kind: Callable = lambda name: None
             ) -> dict[str, list[str]]:
    """Group names that differ in one number only.

    Args:
        names (Iterable[str]): Names of parameters.
        kind (Callable): Maps a name to its kind; only names of one kind are
            grouped.

    Examples:
        >>> collapse_names(['text.0', 'text.1', 'context'])
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
            pattern = pattern.replace('#', f'{{{_format_span(numbers)}}}')
            found[pattern] = group
        else:
            found[group[0]] = group
    return found


def _format_span(numbers: list[int]) -> str:
    first, last = min(numbers), max(numbers)
    if last - first == len(numbers) - 1:
        return f'{first}-{last}'
    return ','.join(map(str, numbers))
