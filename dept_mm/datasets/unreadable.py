"""Handle image files that cannot be read.

In training, another image of the class replaces such a file, or any other one
where images have no labels; the attribute ``data_samples.unreadable`` of the
sample is then the path of the file. In testing, the run stops.
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


def list_substitutes(index: int, labels: Sequence[int]) -> Iterator[int]:
    """List the other samples of the class, in a reproducible random order.

    The order depends only on seed, epoch and index, so any worker gets the
    same one, from images as well as from stored features.

    Args:
        index (int): Index of a sample, plain or an :class:`EpochIndex`.
        labels (Sequence[int]): Labels of all samples.

    Yields:
        int: Index of another sample, of the same type and epoch.
    """
    key = [getattr(index, name, 0) for name in ('seed', 'epoch')]
    others = [i for i, label in enumerate(labels)
              if label == labels[index] and i != index]
    random.Random(f'{key} {int(index)}').shuffle(others)
    for i in others:
        yield EpochIndex(i, *key) if isinstance(index, EpochIndex) else i


def load_or_replace(dataset: Any, index: int, load: Callable[[int], dict],
                    training: bool) -> dict:
    """Load a sample; in training, another one where it cannot be read.

    Args:
        dataset (Dataset): The data set, for paths and labels.
        index (int): Index of the sample.
        load (Callable): Loads a sample, or raises ``UnreadableImage``.
        training (bool): Whether a sample may be replaced.

    Raises:
        DeptError: In testing, if an image cannot be read. The message names
            every such file.
    """
    try:
        return load(index)
    except UnreadableImage as error:
        infos = [dataset.get_data_info(i) for i in range(len(dataset))]
        paths = [info['img_path'] for info in infos]
        if not training:
            raise make_unreadable_error(paths, load) from error
        labels = [info.get('gt_label') for info in infos]
        return load_substitute(index, labels, load, paths[index])


def load_substitute(index: int, labels: Sequence[int],
                    load: Callable[[int], dict], path: str) -> dict:
    """Load another sample of the class in place of an unreadable one.

    Args:
        index (int): Index of the sample that cannot be read.
        labels (Sequence[int]): Labels of all samples.
        load (Callable): Loads a sample, or raises ``UnreadableImage``.
        path (str): The file of the unreadable sample.

    Returns:
        dict: The first substitute that can be read, with ``path`` noted in
        it.

    Raises:
        DeptError: If no image of the class can be read.
    """
    for other in list_substitutes(index, labels):
        try:
            return mark_sample(load(other), path)
        except UnreadableImage:
            continue
    raise DeptError(f'{path} cannot be read, nor can another image of its '
                    'class. Get the files again, or leave out the class.')


def mark_sample(sample: dict, path: str) -> dict:
    """Note in a packed sample which file it replaces.

    Raises:
        DeptError: If the sample has no ``data_samples`` to note it in, so
            that the replacement would go unnoticed.
    """
    if 'data_samples' not in sample:
        raise DeptError(f'{path} cannot be read, and without PackInputs at '
                        'the end of the pipeline a replacement would go '
                        'unnoticed.')
    sample['data_samples'].set_metainfo({MARK: path})
    return sample


def read_marks(batch: Any) -> list[str | None]:
    """Read from each sample of a batch which file it replaces, if any."""
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    return [sample.get(MARK) for sample in samples or ()]


def make_unreadable_error(paths: Sequence[str], load: Callable[[int], Any]
                          ) -> DeptError:
    """Make an error that names all files that cannot be read.

    Args:
        paths (Sequence[str]): Files of all samples.
        load (Callable): Loads a sample, or raises a ``DeptError``.
    """
    print_log(f'An image cannot be read. All {len(paths)} images are now '
              'checked, to name every such file.', logger='current',
              level=logging.WARNING)
    found = []
    for i, path in enumerate(paths):
        try:
            load(i)
        except DeptError as error:  # includes missing files
            found.append(f'{path}: {error.__cause__ or error}')
    return DeptError(
        f'{len(found)} of {len(paths)} images cannot be read. Results on the '
        'others could not be compared with anything: get these files again.\n'
        + '\n'.join(found))
