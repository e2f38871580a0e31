"""Build a classifier from a config."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmpretrain import get_model
from torch import nn

from dept_mm.apis._config import prepare_config
from dept_mm.errors import DeptError


def build(config: str | Path | Config, *, dataset: str | None = None,
          protocol: str | None = None, seed: int | None = None,
          options: Mapping | None = None) -> nn.Module:
    """Build the classifier of a config, not trained.

    Its parameters are those that training starts from: they follow from the
    seed of the config. The random state of the process stays as it is.

    Args:
        config (str | Path | Config): A config file, or its content.
        dataset (str, optional): Another data set, as ``--dataset``.
        protocol (str, optional): Another protocol, as ``--protocol``.
        seed (int, optional): Another seed than the config's.
        options (Mapping, optional): Changes, as ``--cfg-options``.

    Returns:
        nn.Module: In eval mode, on the CPU.

    Raises:
        DeptError: If the config or an option of it is wrong.
    """
    cfg = prepare_config(config, dataset, protocol, seed, options)
    if 'model' not in cfg:
        raise DeptError(f'{cfg.filename or "The config"} has no model.')
    with torch.random.fork_rng(devices=[]):
        if (number := cfg.get('randomness', {}).get('seed')) is not None:
            torch.manual_seed(number)
        return get_model(cfg, pretrained=False)
