"""Classes with too few images."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmengine.logging import print_log

from dept_mm.errors import DeptError

from .splits import MAX_VAL_SHOTS, Item, group_by_label

if TYPE_CHECKING:
    from .few_shot import FewShotDataset

MAX_NAMED = 20


def check_counts(items: Sequence[Item], labels: set[int],
                 dataset: FewShotDataset) -> None:
    """Refuse a split without images, warn of classes that are short.

    Args:
        items (Sequence[Item]): The whole split, before the draw.
        labels (set[int]): Labels of the task.
        dataset (FewShotDataset): Whose split and task it is.

    Raises:
        DeptError: If there is no image, or none to train a class on.
    """
    source, split = dataset.source, dataset.split
    names, shots = dataset.vocabulary.names, dataset.num_shots
    groups = group_by_label(items)
    counts = {label: len(groups.get(label, ())) for label in labels}
    if not any(counts.values()):
        raise DeptError(f'{source}: no image in split {split!r}, task '
                        f'{dataset.task!r}.')
    empty = {label: n for label, n in counts.items() if not n}
    if empty and split == 'train':
        raise DeptError(f'{source}: no training image of '
                        f'{_named(empty, names)}. Add images, or drop the '
                        'classes.')
    if shots is None or split == 'test':
        return
    if split == 'val':
        shots = min(shots, MAX_VAL_SHOTS)
    short = {label: n for label, n in counts.items() if n < shots}
    if short:
        print_log(f'{source}: fewer than {shots} images in split {split!r}, '
                  f'all of them are used: {_named(short, names)}.',
                  logger='current', level=logging.WARNING)


def _named(counts: dict[int, int], names: Sequence[str]) -> str:
    """'cat' (3 images), 'dog' (1 image), ..."""
    named = [f"{names[label]!r} ({n} image{'' if n == 1 else 's'})"
             for label, n in sorted(counts.items())]
    more = len(named) - MAX_NAMED
    return ', '.join(named[:MAX_NAMED]) + (f' and {more} more'
                                           if more > 0 else '')
