"""Check that every class of a split has enough images."""
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
    """Refuse a split without images, and warn if classes have too few.

    Args:
        items (Sequence[Item]): The whole split, before shots are drawn.
        labels (set[int]): Labels of the classes that the task keeps.
        dataset (FewShotDataset): The data set that the split belongs to.

    Raises:
        DeptError: If there is no image at all, or no training image of a
            class.
    """
    source, split = dataset.source, dataset.split
    names, shots = dataset.vocabulary.names, dataset.num_shots
    groups = group_by_label(items)
    counts = {label: len(groups.get(label, ())) for label in labels}
    if not any(counts.values()):
        held_out = (' Add some, or choose num_shots below the number of '
                    'training images of a class: the others then validate.'
                    if split == 'val' else '')
        raise DeptError(f'{source}: there is no image in split {split!r} for '
                        f'task {dataset.task!r}.{held_out}')
    empty = {label: n for label, n in counts.items() if not n}
    if empty and split == 'train':
        raise DeptError(f'{source}: there is no training image of '
                        f'{_describe_counts(empty, names)}. Add images, or '
                        'leave out the classes.')
    if shots is None or split == 'test':
        return
    if split == 'val':
        shots = min(shots, MAX_VAL_SHOTS)
    short = {label: n for label, n in counts.items() if n < shots}
    if short:
        print_log(f'{source}: these classes have fewer than {shots} images in '
                  f'split {split!r}, so all of them are used: '
                  f'{_describe_counts(short, names)}.',
                  logger='current', level=logging.WARNING)


def _describe_counts(counts: dict[int, int], names: Sequence[str]) -> str:
    """Format counts as ``'cat' (3 images), 'dog' (1 image)``."""
    named = [f"{names[label]!r} ({n} image{'' if n == 1 else 's'})"
             for label, n in sorted(counts.items())]
    more = len(named) - MAX_NAMED
    return ', '.join(named[:MAX_NAMED]) + (f' and {more} more'
                                           if more > 0 else '')
