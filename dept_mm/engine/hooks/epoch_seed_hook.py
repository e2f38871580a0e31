"""Random numbers that do not depend on what ran before."""
from __future__ import annotations

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.datasets.epoch_sampler import seed_random_states
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python, numpy, torch and the GPUs in each training epoch, by the
    run's seed, the step and the rank.

    A resumed run then draws what an uninterrupted one draws, wherever it
    draws (dropout, augmentation on batches, stock data sets without
    workers), without random states in the checkpoint: those at the time of
    saving would be wrong after a validation, which also draws. Data sets of
    this package do not need it, see ``EpochSampler``.

    An iteration-based run is seeded where it starts and where it resumes:
    it does not repeat numbers, but does not go on with the same ones.
    """
    # Before a hook that draws.
    priority = 'HIGHEST'

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed for what loads the first batch."""
        self._seed(runner, 0)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch=None) -> None:
        """Seed for the steps: a loader draws when it starts workers, which
        one with persistent workers does not do in each epoch."""
        if batch_idx == 0:
            self._seed(runner, 1)

    @staticmethod
    def _seed(runner: Runner, part: int) -> None:
        seed = seed_random_states(runner.seed, runner.iter, get_rank(), part)
        torch.cuda.manual_seed_all(seed)
