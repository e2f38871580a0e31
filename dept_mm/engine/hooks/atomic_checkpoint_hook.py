"""A checkpoint hook that never leaves a half-written file behind."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from dept_mm.engine.checkpoint_files import POINTER, AtomicBackend
from dept_mm.engine.work_dir_lock import lock_work_dir, unlock_work_dir
from dept_mm.registry import HOOKS
from dept_mm.utils.files import check_writable, remove_parts


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Saves checkpoints such that a complete one exists at any time.

    MMEngine's hook removes the old checkpoint, writes the new one in place and
    then updates ``last_checkpoint``, the file that names the one to resume
    from. A run that is killed in between cannot be resumed. This hook writes
    the new file under a temporary name, renames it when it is complete,
    updates ``last_checkpoint`` and removes the old file last. By default it
    keeps two files, in case one is damaged later. While a run trains, no other
    process may train in its work dir.

    Config::

        default_hooks = dict(
            checkpoint=dict(type='AtomicCheckpointHook', interval=1))

    Args:
        *args, **kwargs: Passed to MMEngine's ``CheckpointHook``.
        max_keep_ckpts (int): Number of checkpoints to keep. Defaults to 2.

    Raises:
        DeptError: When training starts, if the folder is not writable or
            another process trains in it, or when a checkpoint cannot be
            saved; the previous checkpoint stays intact.
    """

    def __init__(self, *args, max_keep_ckpts: int = 2, **kwargs) -> None:
        super().__init__(*args, max_keep_ckpts=max_keep_ckpts, **kwargs)

    def before_train(self, runner: Runner) -> None:
        """Check that the folder is writable and nobody else's, and remove
        leftovers of killed runs."""
        local = isinstance(get_file_backend(
            str(self.out_dir or runner.work_dir)), LocalBackend)
        if local and not self.backend_args and not self.file_client_args:
            self.backend_args = dict(backend=AtomicBackend.__name__)
        super().before_train(runner)
        if local and is_main_process():
            check_writable(self.out_dir, 'Give another folder: --work-dir '
                           'DIR, or default_hooks.checkpoint.out_dir=DIR.')
            lock_work_dir(runner.work_dir)
            for folder in {str(self.out_dir), runner.work_dir}:
                remove_parts(folder)

    def after_run(self, runner: Runner) -> None:
        """Let other processes train in the folder again."""
        unlock_work_dir(runner.work_dir)

    def _save_checkpoint_with_step(self, runner: Runner, step: int,
                                   meta: dict) -> None:
        """Save the file, point to it, then remove the oldest, in order."""
        oldest = self._note_checkpoint(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir, name, self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta, by_epoch=self.by_epoch,
            backend_args=self.backend_args, **self.args)
        if not is_main_process():
            return
        AtomicBackend().put_text(str(self.last_ckpt),
                                 Path(runner.work_dir, POINTER))
        if oldest is not None:
            path = self.file_backend.join_path(
                self.out_dir, self.filename_tmpl.format(oldest))
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            elif self.file_backend.isdir(path):  # a DeepSpeed checkpoint
                self.file_backend.rmtree(path)

    def _note_checkpoint(self, runner: Runner, step: int) -> int | None:
        """Note a new checkpoint and return the step of the one it replaces."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return None
        full = len(self.keep_ckpt_ids) == self.max_keep_ckpts
        oldest = self.keep_ckpt_ids[0] if full else None
        self.keep_ckpt_ids.append(step)  # a deque that drops the oldest
        runner.message_hub.update_info('keep_ckpt_ids',
                                       list(self.keep_ckpt_ids))
        return oldest

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Save as MMEngine does, but remove the previous best file last."""
        backend = self.file_backend
        self.file_backend = later = _RemovesLater(backend)
        try:
            super()._save_best_checkpoint(runner, metrics)
        finally:
            self.file_backend = backend
        best = [getattr(self, 'best_ckpt_path', None),
                *getattr(self, 'best_ckpt_path_dict', {}).values()]
        for path in later.paths:
            if path not in best and backend.isfile(path):
                backend.remove(path)


class _RemovesLater:
    """Wraps a file backend and notes removals instead of making them."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.paths = backend, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.paths.append(path)
