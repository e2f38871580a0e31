"""Images that cannot be read: replaced in training, fatal in testing.

A sample that stands for another one says so: ``data_samples.unreadable`` is
the path of the file that could not be read.
"""
from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mmengine.logging import print_log

from dept_mm.errors import DeptError, UnreadableImage

from .epoch_sampler import EpochIndex

MARK = 'unreadable'


def substitutes(index: int, labels: Sequence[int]) -> Iterator[int]:
    """Other samples of the same class, of the same epoch.

    Their order follows from seed, epoch and index, so that it is the same
    whoever loads the sample, from images or from stored features.

    Args:
        index (int): The sample; an :class:`EpochIndex` or a plain one.
        labels (Sequence[int]): Of all samples.
    """
    key = [getattr(index, name, 0) for name in ('seed', 'epoch')]
    others = [i for i, label in enumerate(labels)
              if label == labels[index] and i != index]
    random.Random(f'{key} {int(index)}').shuffle(others)
    for i in others:
        yield EpochIndex(i, *key) if isinstance(index, EpochIndex) else i


def substitute(index: int, labels: Sequence[int],
               load: Callable[[int], dict], path: str) -> dict:
    """The first of the substitutes that can be read, marked.

    Args:
        index (int): The sample that cannot be read.
        labels (Sequence[int]): Of all samples.
        load (Callable): Loads a sample, or raises ``UnreadableImage``.
        path (str): The file of the sample.

    Raises:
        DeptError: If there is none.
    """
    for other in substitutes(index, labels):
        try:
            return marked(load(other), path)
        except UnreadableImage:
            continue
    raise DeptError(f'{path} cannot be read, nor can another image of its '
                    'class. Get the files again, or leave out the class.')


def marked(sample: dict, path: str) -> dict:
    """Note in a packed sample which file it replaces.

    Raises:
        DeptError: If there is no place for it, so that nobody would know.
    """
    if 'data_samples' not in sample:
        raise DeptError(f'{path} cannot be read, and a pipeline without '
                        'PackInputs cannot say what stands for it.')
    sample['data_samples'].set_metainfo({MARK: path})
    return sample


def marks(batch: Any) -> list[str | None]:
    """Of each sample of a batch the file that it replaces."""
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    return [sample.get(MARK) for sample in samples or ()]


def every_unreadable(paths: Sequence[str], load: Callable[[int], Any]
                     ) -> DeptError:
    """The error that names all files that cannot be read.

    Args:
        paths (Sequence[str]): Of all samples.
        load (Callable): Loads a sample, or raises a ``DeptError``.
    """
    print_log(f'An image cannot be read. All {len(paths)} are looked at, to '
              'name every such file.', logger='current',
              level=logging.WARNING)
    found = []
    for i, path in enumerate(paths):
        try:
            load(i)
        except DeptError as error:  # missing ones, too
            found.append(f'{path}: {error.__cause__ or error}')
    return DeptError(
        f'{len(found)} of {len(paths)} images cannot be read. Results on the '
        'others would compare with nothing: get these files again.\n'
        + '\n'.join(found))
