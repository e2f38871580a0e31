"""Let validation images choose the epoch of a run."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from dept_mm.errors import DeptError

METRIC = 'base_new/base'
# What chooses -> the split of the training data set that it is.
SELECTIONS = ('val', )


def select_epoch(cfg: Config, split: str = 'val', patience: int | None = None
                 ) -> None:
    """Choose the epoch on validation images, and test that epoch alone.

    The validation images are those of the draw of training images, of the
    same classes: new classes have no part in the choice. Each epoch is
    validated, the best one is kept, and it is tested when training ends; see
    ``SelectionHook``.

    Args:
        cfg (Config): The config of an image classifier, changed in place.
        split (str): What chooses; one of ``SELECTIONS``.
        patience (int, optional): End training after so many validations
            without a better one. Defaults to None, which trains to the end.

    Raises:
        DeptError: If the config has nothing to choose on, or nothing that
            measures the chosen epoch.
    """
    if split not in SELECTIONS:
        raise DeptError(f'select={split!r}: choose one of {SELECTIONS}.')
    if patience is not None and patience < 1:
        raise DeptError(f'patience={patience} must be at least 1.')
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if not cfg.get(key):
            raise DeptError(f'--select {split} needs a {key}.')
    if 'BaseNewTableHook' not in {
            hook.get('type') for hook in cfg.get('custom_hooks') or []}:
        raise DeptError(
            f'--select {split}: the config has no BaseNewTableHook, which '
            'measures the chosen epoch. Protocols of language models choose '
            'without this option, by default_hooks.checkpoint.save_best.')
    cfg.val_dataloader.dataset = _held_out(cfg, split)
    # Only the data set that is trained on chooses, not others of a protocol.
    cfg.val_cfg = dict()
    cfg.val_evaluator = dict(type='BaseNewMetric')
    if cfg.train_cfg.get('by_epoch', 'max_epochs' in cfg.train_cfg):
        cfg.train_cfg.val_interval = 1
    cfg.default_hooks.checkpoint.update(save_best=METRIC, rule='greater')
    cfg.custom_hooks = [*cfg.custom_hooks, dict(
        type='SelectionHook', monitor=METRIC, split=split, patience=patience)]


def _held_out(cfg: Config, split: str) -> dict[str, Any]:
    """Return the config of the validation images: those of the training data
    set, prepared as the loader of the validation does."""
    trained, looked_at = (unwrap_dataset(cfg[f'{name}_dataloader'].dataset)
                          for name in ('train', 'val'))
    if 'split' not in trained:
        raise DeptError(
            f'--select {split}: {trained.get("type")} has no splits. Use a '
            'data set of this package, e.g. FolderDataset for the same files.')
    found = {key: value for key, value in trained.items() if key != 'indices'}
    found.update(split=split, test_mode=True)
    found.update((key, looked_at[key]) for key in ('pipeline', 'indices')
                 if key in looked_at)
    return found


def unwrap_dataset(dataset: Mapping) -> Mapping:
    """Return the config of a data set without wrappers around it."""
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset
