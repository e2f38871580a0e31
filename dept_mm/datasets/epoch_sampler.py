"""Make the order of samples and their augmentation reproducible.

Both depend only on the run's seed, the epoch and the index of a sample, not
on workers, processes or an interruption of the run.
"""
from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dataset import DefaultSampler

from dept_mm.registry import DATA_SAMPLERS


class EpochIndex(int):
    """The index of a sample, with the seed and epoch it is loaded for.

    It is an ``int``, so every data set accepts it.

    Args:
        index (int): The index.
        seed (int): Seed of the run, the same in all its processes.
        epoch (int): The epoch, counted from 0.
    """

    def __new__(cls, index: int, seed: int, epoch: int) -> EpochIndex:
        self = super().__new__(cls, index)
        self.seed, self.epoch = seed, epoch
        return self

    def __getnewargs__(self) -> tuple[int, int, int]:
        return int(self), self.seed, self.epoch


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """MMEngine's ``DefaultSampler``, which yields :class:`EpochIndex`.

    The augmentation of a sample then does not depend on the number of
    workers and processes, on whether workers persist, or on whether the run
    was resumed. With MMEngine's own sampler it depends on all of these,
    because MMEngine seeds the *workers*; where workers do not persist, every
    epoch even repeats the same augmentation. The data sets of this package
    take the seed from the index; wrap any other in ``SeededDataset``.

    Examples:
        >>> train_dataloader = dict(
        ...     sampler=dict(type='EpochSampler', shuffle=True))
    """

    def __iter__(self) -> Iterator[EpochIndex]:
        """Yield the indices of this rank, ordered by seed and epoch."""
        return iter([EpochIndex(i, self.seed, self.epoch)
                     for i in super().__iter__()])


def seed_random_states(*key: int) -> int:
    """Seed the random generators of Python, NumPy and torch on the CPU.

    Args:
        *key (int): Numbers that determine the seed, e.g. seed and epoch.

    Returns:
        int: A seed for further generators, such as those of the GPUs.
    """
    text = ' '.join(map(str, key))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    random.seed(digest)
    np.random.seed(np.frombuffer(digest, np.uint32))
    # Not torch.manual_seed, which would seed the GPUs of the run as well.
    seed = int.from_bytes(digest[:8], 'little')
    torch.default_generator.manual_seed(seed)
    return seed


@contextmanager
def seed_for_sample(index: int) -> Iterator[int]:
    """Seed the random generators while one sample is loaded.

    An :class:`EpochIndex` determines the seed, and the old random states come
    back afterwards. A plain index changes nothing.

    Yields:
        int: The plain index.
    """
    if not isinstance(index, EpochIndex):
        yield index
        return
    old = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_random_states(index.seed, index.epoch, int(index))
    try:
        yield int(index)
    finally:
        random.setstate(old[0])
        np.random.set_state(old[1])
        torch.set_rng_state(old[2])
