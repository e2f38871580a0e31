"""What a run was: the part of ``result.json`` that is no measurement."""
from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import mmengine
import mmpretrain
import open_clip
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.dist import get_world_size
from mmengine.runner import Runner

from dept_mm.config.fingerprint import config_fingerprint, config_settings
from dept_mm.datasets.stored_features import StoredFeatures, sample_infos
from dept_mm.version import __version__

LIBRARIES = (torch, mmengine, mmpretrain, open_clip)


def describe_run(runner: Runner, holder: Any) -> dict:
    """Config, seed, shots, data set, frozen model and versions; JSON types.

    Args:
        runner (Runner): The runner.
        holder (nn.Module): What holds the frozen model, ``clip`` or ``lm``.
    """
    cfg = runner.cfg
    frozen = {key: dict(name=model.name, sha256=model.digest)
              for key in ('clip', 'lm')
              if (model := getattr(holder, key, None)) is not None}
    trained_on = _dataset_config(cfg, 'train_dataloader')
    name = cfg.filename and '/'.join(
        Path(cfg.filename).with_suffix('').parts[-2:])
    return dict(
        config=name,
        fingerprint=config_fingerprint(cfg),
        recipe=config_fingerprint(_without_seeds(cfg.to_dict())),
        settings=config_settings(cfg),
        dataset=dataset_name(cfg, 'train_dataloader'),
        protocol=cfg.get('protocol'),
        seed=runner.seed,
        shots=trained_on.get('num_shots'),
        resumed=bool(runner._resume),
        **dict(dict(clip=None), **frozen),
        versions=dict(
            python=platform.python_version(), dept_mm=__version__,
            **{m.__name__: m.__version__ for m in libraries()}),
        device=torch.cuda.get_device_name() if torch.cuda.is_available()
        else 'cpu',
        processes=get_world_size())


def libraries() -> list[ModuleType]:
    """Those that numbers may depend on."""
    used = sys.modules.get('transformers')
    return [*LIBRARIES, used] if used else list(LIBRARIES)


def dataset_name(cfg: Config, loader: str) -> str | None:
    """Name a loader's data set: by its ``name``, else by the folder of its
    data, or its type.

    Args:
        cfg (Config): The config.
        loader (str): Key of the data loader.
    """
    used = _dataset_config(cfg, loader)
    source = used.get('name') or used.get('data_root') or used.get('type')
    return source and Path(str(source)).name


def _dataset_config(cfg: Config, loader: str) -> Mapping:
    """Config of a loader's data set, inside any wrappers."""
    used = (cfg.get(loader) or {}).get('dataset')
    while isinstance(used, Mapping) and 'dataset' in used:
        used = used['dataset']
    return used if isinstance(used, Mapping) else {}


def images_hash(dataset: Any) -> str:
    """Sha256 over (label, path below the image folder) of the samples, in
    their order: equal for the same images wherever they lie."""
    root = _option(dataset, 'img_prefix') or ''
    found = hashlib.sha256()
    for label, path in _images(dataset):
        inside = os.path.relpath(path, root) if root else path
        found.update(f'{label} {inside.replace(os.sep, "/")}\n'.encode())
    return found.hexdigest()


def _images(dataset: Any) -> Iterator[tuple[Any, str]]:
    """Label and path of each sample. Drawn images need not be drawn."""
    if isinstance(dataset, StoredFeatures):
        infos = dataset.infos
    elif isinstance(dataset, BaseDataset):
        infos = (BaseDataset.get_data_info(dataset, i)
                 for i in range(len(dataset)))
    else:
        infos = sample_infos(dataset)
    for info in infos:
        yield info.get('gt_label'), info.get('img_path', '')


def _option(dataset: Any, name: str) -> Any:
    """An attribute of a data set or of the one inside its wrappers."""
    while dataset is not None and not hasattr(dataset, name):
        dataset = getattr(dataset, 'dataset', None)
    return getattr(dataset, name, None)


def _without_seeds(node: Any) -> Any:
    """What runs over seeds have in common."""
    if isinstance(node, dict):
        return {k: _without_seeds(v) for k, v in node.items() if k != 'seed'}
    if isinstance(node, (list, tuple)):
        return [_without_seeds(v) for v in node]
    return node
