"""Read the config that a function for scripts is given."""
from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config

from dept_mm.config import (
    apply_options,
    check_config,
    read_config,
    set_seed_options,
)
from dept_mm.errors import DeptError


def prepare_config(config: str | Path | Config, dataset: str | None = None,
                   protocol: str | None = None, seed: int | None = None,
                   options: Mapping | None = None) -> Config:
    """Read a config as the command line tools do, and change it.

    Args:
        config (str | Path | Config): A config file, or its content, which
            stays as it is.
        dataset, protocol (str, optional): Choices as in ``--dataset`` and
            ``--protocol``, for a file.
        seed (int, optional): Seed as in ``--seed``.
        options (Mapping, optional): Changes as in ``--cfg-options``.

    Raises:
        DeptError: If the file does not exist, or an option does not fit or
            is read by nothing.
    """
    if isinstance(config, Config):
        if dataset is not None or protocol is not None:
            raise DeptError('dataset and protocol are chosen when a config '
                            'file is read: give its path, not a Config.')
        cfg = deepcopy(config)
    else:
        cfg = read_config(config, dataset=dataset, protocol=protocol)
        if cfg.get('work_dir') is None:
            cfg.work_dir = os.path.join('work_dirs', Path(config).stem)
    if seed is not None:
        set_seed_options(cfg, seed)
    apply_options(cfg, options)
    check_config(cfg)
    return cfg
