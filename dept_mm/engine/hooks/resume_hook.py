"""Going on from the newest checkpoint that is whole."""
from __future__ import annotations

import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from dept_mm.engine.checkpoint_files import NEEDED, candidates, fault
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class ResumeHook(Hook):
    """Looks at a checkpoint before it is used.

    Resuming takes the newest checkpoint of the work dir that is whole, and
    says which ones it passed over. One that is named, to resume from or to
    load, must be whole. Files are checked against their checksums and read
    without executing anything, whatever the defaults of torch and mmengine.

    A run that goes on after an epoch whose validation is due validates
    first: it may have been stopped in it.

    Raises:
        DeptError: If no checkpoint is usable, or it is of another seed.
    """
    # Validation comes when the other hooks are ready for it.
    priority = 'LOWEST'

    def before_run(self, runner: Runner) -> None:
        """Choose what mmengine is about to load."""
        if runner._has_loaded:
            return
        if runner._load_from is not None:
            self._check(runner)
        elif runner._resume:
            runner._load_from = self._newest(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse another seed: mmengine would take that of the checkpoint
        for itself and leave data sets and samplers with the other."""
        seed = checkpoint.get('meta', {}).get('seed')
        if runner._resume and seed is not None and seed != runner.seed:
            raise DeptError(f'The checkpoint was trained with seed {seed}, '
                            f'this run has {runner.seed}: give --seed {seed}.')

    def before_train(self, runner: Runner) -> None:
        """Validate, if that is due."""
        loop = runner.train_loop
        if not (runner._resume and loop.epoch and runner.val_loop
                and isinstance(loop, EpochBasedTrainLoop)):
            return
        loop._decide_current_val_interval()
        if loop.epoch >= loop.val_begin and (
                loop.epoch % loop.val_interval == 0
                or loop.epoch == loop.max_epochs):
            runner.val_loop.run()

    @staticmethod
    def _check(runner: Runner) -> None:
        name = os.path.expanduser(runner._load_from)
        if '://' in name:  # mmengine's own schemes
            return
        found = fault(Path(name), NEEDED if runner._resume else ())
        if found:
            raise DeptError(
                f'Checkpoint {os.path.abspath(name)}: {found}. Give another '
                'file; --resume without one looks for the newest that is '
                'whole.')

    @staticmethod
    def _newest(runner: Runner) -> str | None:
        """None where nothing was saved: the run starts anew."""
        faults = []
        for path in candidates(Path(runner.work_dir)):
            found = fault(path, NEEDED)
            if found is None:
                return str(path)
            faults.append(f'{path}: {found}')
            runner.logger.warning(f'Not resumed from {faults[-1]}.')
        if faults:
            raise DeptError(
                'No checkpoint to resume from. ' + '; '.join(faults)
                + '. Train anew without --resume.')
        return None
