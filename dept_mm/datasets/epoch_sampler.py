"""Augmentation and order that depend on seed, epoch and index only."""
from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler

from dept_mm.registry import DATA_SAMPLERS, DATASETS


class EpochIndex(int):
    """The index of a sample, and of which epoch it is wanted.

    An ``int`` to whoever does not care, so every data set takes it.

    Args:
        index (int): The index.
        seed (int): Seed of the run, the same in all its processes.
        epoch (int): The epoch, from 0.
    """

    def __new__(cls, index: int, seed: int, epoch: int) -> EpochIndex:
        self = super().__new__(cls, index)
        self.seed, self.epoch = seed, epoch
        return self

    def __getnewargs__(self) -> tuple[int, int, int]:
        return int(self), self.seed, self.epoch


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """MMEngine's sampler, giving :class:`EpochIndex`.

    With it the augmentation of a sample is the same whatever the number of
    workers and processes, whether workers persist, and after resuming.
    MMEngine seeds *workers*, so that it otherwise depends on all of these,
    and repeats itself in each epoch where workers do not persist. The data
    sets of this package take the seed from the index; a stock one needs
    :class:`SeededDataset` around it.
    """

    def __iter__(self) -> Iterator[EpochIndex]:
        """Indices of this rank, in an order by seed and epoch."""
        return iter([EpochIndex(i, self.seed, self.epoch)
                     for i in super().__iter__()])


def seed_by(*key: int) -> int:
    """Set the random states of this process, without those of its GPUs, to
    what follows from a key; returns a seed for others."""
    text = ' '.join(map(str, key))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    random.seed(digest)
    np.random.seed(np.frombuffer(digest, np.uint32))
    # Not torch.manual_seed, which would seed the GPUs of the run as well.
    seed = int.from_bytes(digest[:8], 'little')
    torch.default_generator.manual_seed(seed)
    return seed


@contextmanager
def seeded(index: int) -> Iterator[int]:
    """Draw what an :class:`EpochIndex` stands for from random states of its
    own, and put the old ones back; a plain index changes nothing."""
    if not isinstance(index, EpochIndex):
        yield index
        return
    old = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_by(index.seed, index.epoch, int(index))
    try:
        yield int(index)
    finally:
        random.setstate(old[0])
        np.random.set_state(old[1])
        torch.set_rng_state(old[2])


@DATASETS.register_module()
class SeededDataset:
    """Any data set, with augmentation by seed, epoch and index.

    Args:
        dataset (dict | Dataset): The data set.
    """

    def __init__(self, dataset: Any) -> None:
        if isinstance(dataset, dict):
            dataset = DATASETS.build(dataset)
        self.dataset = dataset

    @property
    def metainfo(self) -> dict:
        """That of the data set."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Make the list of samples."""
        self.dataset.full_init()

    def get_data_info(self, idx: int) -> dict:
        """One sample before its pipeline."""
        return self.dataset.get_data_info(idx)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        with seeded(idx) as idx:
            return self.dataset[idx]
