"""Reading the config that a function is given."""
from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config

from dept_mm.cli.arguments import load_config
from dept_mm.config import apply_options, set_seed_options
from dept_mm.errors import DeptError


def read_config(config: str | Path | Config, dataset: str | None = None,
                protocol: str | None = None, seed: int | None = None,
                options: Mapping | None = None) -> Config:
    """Read a config as the command line tools do, and change it.

    Args:
        config (str | Path | Config): A config file, or its content, which
            stays as it is.
        dataset, protocol (str, optional): As ``--dataset`` and
            ``--protocol``; for a file.
        seed (int, optional): As ``--seed``.
        options (Mapping, optional): As ``--cfg-options``.

    Raises:
        DeptError: If the file does not exist or an option does not fit.
    """
    if not isinstance(config, Config):
        return load_config(Namespace(
            config=str(config), dataset=dataset, protocol=protocol, seed=seed,
            cfg_options=options, work_dir=None, local_rank=0))
    if dataset is not None or protocol is not None:
        raise DeptError('dataset and protocol are chosen when a config file '
                        'is read: give its path, not a Config.')
    cfg = deepcopy(config)
    if seed is not None:
        set_seed_options(cfg, seed)
    apply_options(cfg, options)
    return cfg
