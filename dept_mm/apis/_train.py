"""Train a config."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from dept_mm.apis._config import prepare_config
from dept_mm.cli.arguments import set_loader_defaults
from dept_mm.config import select_epoch
from dept_mm.engine.runner import build_runner
from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def train(config: str | Path | Config, *, work_dir: str | Path | None = None,
          dataset: str | None = None, protocol: str | None = None,
          seed: int | None = None, options: Mapping | None = None,
          select: str | None = None, patience: int | None = None) -> dict:
    """Train the model of a config as ``tools/train.py`` does, in this process.

    Args:
        config (str | Path | Config): A config file, or its content.
        work_dir (str | Path, optional): Folder of logs, checkpoints and
            results. Defaults to the config's, of a file to
            ``work_dirs/NAME``.
        dataset, protocol, seed, options: See ``build``.
        select, patience (optional): As ``--select`` and ``--patience``;
            ``select='val'`` tests the epoch that is best on validation
            images.

    Returns:
        dict: What ``result.json`` holds, see docs/results.md, and the
        ``work_dir`` it lies in. ``load(config, work_dir + '/epoch_N.pth')``
        gives the model.

    Raises:
        DeptError: If the config or an option of it is wrong, or the run
            writes no result, which a hook such as ``BaseNewTableHook`` does.
    """
    cfg = prepare_config(config, dataset, protocol, seed, options)
    if work_dir is not None:
        cfg.work_dir = str(work_dir)
    if not cfg.get('work_dir'):
        raise DeptError('train: the config has no work_dir; give one.')
    if select is not None:
        select_epoch(cfg, select, patience)
    set_loader_defaults(cfg, LOADERS)
    build_runner(cfg).train()
    return dict(read_result(cfg.work_dir), work_dir=cfg.work_dir)
