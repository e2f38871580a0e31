"""The description of a run in ``result.json``: everything but its
measurements.

A fingerprint is the hash of all options that can change a result, see
:mod:`dept_mm.config.fingerprint`.
"""
from __future__ import annotations

import hashlib
import os
import platform
import subprocess
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
from mmengine.runner.base_loop import BaseLoop

from dept_mm.config.fingerprint import config_fingerprint, config_settings
from dept_mm.datasets.stored_features import StoredFeatures, sample_infos
from dept_mm.structures import Vocabulary
from dept_mm.version import __version__

LIBRARIES = (torch, mmengine, mmpretrain, open_clip)


def describe_run(runner: Runner, holder: Any) -> dict:
    """Describe config, seed, shots, data set, frozen model and library
    versions.

    ``recipe`` is the fingerprint without the seeds, so that runs which differ
    only in the seed share it. A checkpoint under test is not an option of its
    run, so a test has the fingerprint of the training.

    Args:
        runner (Runner): The runner.
        holder (nn.Module): The module whose attribute ``clip`` or ``lm`` is
            the frozen model.

    Returns:
        dict: The description, in JSON types.
    """
    cfg = runner.cfg
    options = cfg.to_dict()
    if not isinstance(runner._train_loop, BaseLoop) and (
            runner._load_from == options.get('load_from')):
        options['load_from'] = None
    frozen = {key: dict(name=model.name, sha256=model.digest)
              for key in ('clip', 'lm')
              if (model := getattr(holder, key, None)) is not None}
    trained_on = _dataset_config(cfg, 'train_dataloader')
    name = cfg.filename and '/'.join(
        Path(cfg.filename).with_suffix('').parts[-2:])
    return dict(
        config=name,
        fingerprint=config_fingerprint(options),
        recipe=config_fingerprint(_remove_seeds(options)),
        settings=config_settings(options),
        dataset=dataset_name(cfg, 'train_dataloader'),
        protocol=cfg.get('protocol'),
        seed=runner.seed,
        shots=trained_on.get('num_shots'),
        resumed=bool(runner._resume),
        loaded=runner._load_from,
        **dict(dict(clip=None), **frozen),
        versions=dict(
            python=platform.python_version(), dept_mm=__version__,
            **read_commit(),
            **{m.__name__: m.__version__ for m in libraries()}),
        device=torch.cuda.get_device_name() if torch.cuda.is_available()
        else 'cpu',
        processes=get_world_size())


def read_commit() -> dict[str, str]:
    """Read the commit of this package, if it is run from its repository.

    Returns:
        dict[str, str]: ``git``, the short hash, with ``-dirty`` behind it if
        files were changed; empty for an installed package.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / '.git').exists():
        return {}  # git would find another repository above
    try:
        found = subprocess.run(
            ['git', '-C', root, 'describe', '--always', '--dirty',
             '--abbrev=12'], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {} if found.returncode else dict(git=found.stdout.strip())


def libraries() -> list[ModuleType]:
    """Return the libraries whose version may change a result."""
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
    """Return the config of a data set, without wrappers around it."""
    used = (cfg.get(loader) or {}).get('dataset')
    while isinstance(used, Mapping) and 'dataset' in used:
        used = used['dataset']
    return used if isinstance(used, Mapping) else {}


def hash_images(dataset: Any) -> str:
    """Hash the labels and image paths of all samples, in their order.

    Paths are relative to the image folder, so the hash is the same wherever
    the folder lies.

    Returns:
        str: Sha256 as hexadecimal digits.
    """
    root = _find_attribute(dataset, 'img_prefix') or ''
    found = hashlib.sha256()
    for label, path in _iterate_images(dataset):
        inside = os.path.relpath(path, root) if root else path
        found.update(f'{label} {inside.replace(os.sep, "/")}\n'.encode())
    return found.hexdigest()


def describe_dataset(dataset: Any) -> dict:
    """Describe the classes and images that records of predictions refer to.

    Returns:
        dict: For ``pack_predictions``.
    """
    vocabulary = Vocabulary.from_metainfo(dataset.metainfo)
    return dict(classes=vocabulary.names, ids=vocabulary.ids,
                base=vocabulary.base_labels,
                images=[path for _, path in _iterate_images(dataset)])


def _iterate_images(dataset: Any) -> Iterator[tuple[Any, str]]:
    """Yield the label and the image path of each sample.

    Drawn images have a path too, so they need not be drawn for it.
    """
    if isinstance(dataset, StoredFeatures):
        infos = dataset.infos
    elif isinstance(dataset, BaseDataset):
        infos = (BaseDataset.get_data_info(dataset, i)
                 for i in range(len(dataset)))
    else:
        infos = sample_infos(dataset)
    for info in infos:
        yield info.get('gt_label'), info.get('img_path', '')


def _find_attribute(dataset: Any, name: str) -> Any:
    """Return an attribute of a data set or of one that it wraps."""
    while dataset is not None and not hasattr(dataset, name):
        dataset = getattr(dataset, 'dataset', None)
    return getattr(dataset, name, None)


def _remove_seeds(node: Any) -> Any:
    """Remove the seeds, in which otherwise equal runs differ."""
    if isinstance(node, dict):
        return {k: _remove_seeds(v) for k, v in node.items() if k != 'seed'}
    if isinstance(node, (list, tuple)):
        return [_remove_seeds(v) for v in node]
    return node
