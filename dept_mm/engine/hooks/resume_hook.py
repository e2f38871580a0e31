"""A hook that checks a checkpoint before a run loads or resumes from it."""
from __future__ import annotations

import os
from pathlib import Path

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from dept_mm.config import check_resumed
from dept_mm.engine.checkpoint_files import (
    NEEDED,
    find_fault,
    list_checkpoints,
)
from dept_mm.errors import DeptError
from dept_mm.exchange.recipe import parse_config
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class ResumeHook(Hook):
    """Checks a checkpoint before it is loaded, and finds the newest intact
    one.

    ``--resume`` without a file takes the newest intact checkpoint of the work
    dir and logs which ones it skipped. A checkpoint that is named, to resume
    from or to load, must be intact. Files are compared with their checksums
    and read without executing anything in them, whatever the defaults of torch
    and MMEngine are.

    A run that resumes after an epoch for which a validation is due starts with
    that validation, because it may have been stopped in it.

    Config::

        default_hooks = dict(resume=dict(type='ResumeHook'))

    Raises:
        DeptError: If no checkpoint is usable, or if it was trained with
            another seed, number of processes or other options.
    """
    # Runs last, so that the other hooks are ready for a validation.
    priority = 'LOWEST'

    def before_run(self, runner: Runner) -> None:
        """Choose and check the file that MMEngine is about to load."""
        if runner._has_loaded:
            return
        if runner._load_from is not None:
            self._check_named(runner)
        elif runner._resume:
            runner._load_from = self._find_newest(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict
                               ) -> None:
        """Note the number of processes, which no option says."""
        checkpoint['meta']['processes'] = get_world_size()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Refuse to resume with another seed, number of processes or options.

        MMEngine would silently use the checkpoint's seed for the runner, but
        leave data sets and samplers with the seed of the config. It would as
        silently go on with the checkpoint's optimizer and schedule.
        """
        count = checkpoint.get('meta', {}).get('processes')
        if runner._resume and count not in (None, get_world_size()):
            raise DeptError(
                f'The number of processes was {count} and is now '
                f'{get_world_size()}, so that batches would have another '
                'size. Start as many as before, or train anew.')
        seed = checkpoint.get('meta', {}).get('seed')
        if runner._resume and seed is not None and seed != runner.seed:
            raise DeptError(f'The checkpoint was trained with seed {seed}, '
                            f'this run has {runner.seed}: give --seed {seed}.')
        text = checkpoint.get('meta', {}).get('cfg')
        if runner._resume and isinstance(text, str):
            check_resumed(parse_config(text),
                          parse_config(runner.cfg.pretty_text))

    def before_train(self, runner: Runner) -> None:
        """Run the validation that is due, if any."""
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
    def _check_named(runner: Runner) -> None:
        name = os.path.expanduser(runner._load_from)
        if '://' in name:  # a remote file, which MMEngine reads
            return
        found = find_fault(Path(name), NEEDED if runner._resume else ())
        if found:
            raise DeptError(
                f'Checkpoint {os.path.abspath(name)}: {found}. Give another '
                'file, or --resume alone to use the newest intact one.')

    @staticmethod
    def _find_newest(runner: Runner) -> str | None:
        """Find the newest intact checkpoint of the work dir.

        Returns:
            str, optional: Its path; None if nothing was saved yet, so that the
            run starts from the beginning.
        """
        faults = []
        for path in list_checkpoints(Path(runner.work_dir)):
            found = find_fault(path, NEEDED)
            if found is None:
                return str(path)
            faults.append(f'{path}: {found}')
            runner.logger.warning(f'Not resumed from {faults[-1]}.')
        if faults:
            raise DeptError(
                'No checkpoint to resume from. ' + '; '.join(faults)
                + '. Train from the start, without --resume.')
        return None
