"""A hook that seeds each epoch, so that a resumed run repeats its numbers."""
from __future__ import annotations

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.datasets.epoch_sampler import seed_random_states
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds the random number generators at the start of each training epoch.

    Python, NumPy, torch and the GPUs are seeded by the run's seed, the step
    and the rank. A resumed run then draws the same numbers as an uninterrupted
    one, for example for dropout, augmentation on batches or MMPretrain's data
    sets without workers. Saving the random states in the checkpoint would not
    do: a validation that runs after saving draws numbers too. Data sets of
    this package do not need this hook, see ``EpochSampler``.

    An iteration-based run is seeded where it starts and where it resumes. A
    resumed one therefore does not repeat earlier numbers, but does not draw
    those of an uninterrupted run either.

    Config::

        default_hooks = dict(epoch_seed=dict(type='EpochSeedHook'))
    """
    # Runs before any hook that draws random numbers.
    priority = 'HIGHEST'

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed what loading the first batch draws."""
        self._seed(runner, 0)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch=None) -> None:
        """Seed the steps of the epoch, before its first one.

        A loader draws a number when it starts workers, which a loader with
        persistent workers does not do in every epoch; hence the second
        seeding.
        """
        if batch_idx == 0:
            self._seed(runner, 1)

    @staticmethod
    def _seed(runner: Runner, part: int) -> None:
        seed = seed_random_states(runner.seed, runner.iter, get_rank(), part)
        torch.cuda.manual_seed_all(seed)
