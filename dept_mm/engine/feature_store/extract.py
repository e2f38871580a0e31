"""Writing all features of a data set, in parts that a later run goes on with.
"""
from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from torch import Tensor

from dept_mm.engine.feature_store.build import read_or_compute
from dept_mm.engine.feature_store.compute import compute_features
from dept_mm.engine.feature_store.content import image_features
from dept_mm.engine.feature_store.file import Unusable, write
from dept_mm.engine.feature_store.key import build_key
from dept_mm.engine.feature_store.processes import run_in_all_processes
from dept_mm.engine.feature_store.view import View
from dept_mm.registry import DATASETS

PARTS = 'parts'


class WholeSplit(View):
    """The file of a whole split, whose name people choose."""

    @property
    def path(self) -> Path:
        """``SPLIT.safetensors`` in the folder."""
        return self.root / f'{self.split}.safetensors'


def extract_split(model: torch.nn.Module, loader: Mapping, folder: Path,
                  split: str, shard: int = 10000,
                  batch_size: int | None = None) -> Path:
    """Write the features of a split, unless they are there.

    Processes share the shards, and shards of an interrupted run are kept.

    Args:
        model (ImageClassifier): See ``compute_features``.
        loader (Mapping): Config of a data loader, whose pipeline is used.
        folder (Path): Where to write ``SPLIT.safetensors``.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
        shard (int): Images in a shard. Defaults to 10000.
        batch_size (int, optional): See ``compute_features``.

    Returns:
        Path: The file.
    """
    config = dict(loader['dataset'], split=split, task='all', test_mode=True)
    for key in ('num_shots', 'indices'):
        config.pop(key, None)
    whole = _view(WholeSplit, model, loader, config, folder, split)
    count = len(whole.loader.dataset)
    parts = []
    for start in range(0, count, shard):
        stop = min(start + shard, count)
        own = dict(config, indices=list(range(start, stop)))
        parts.append(_view(View, model, loader, own, folder / PARTS,
                           f'{split}-{start:08d}'))

    def compute(view: View) -> Tensor:
        return compute_features(
            view, model, image_features(model.backbone.clip), batch_size)

    if not any(run_in_all_processes(partial(_is_there, whole))):
        found = torch.cat(read_or_compute(parts, compute))
        run_in_all_processes(lambda: is_main_process() and write(
            whole.path, found, whole.full_key, *whole.beside()))
    if is_main_process():
        for part in parts:
            part.path.unlink(missing_ok=True)
        if (folder / PARTS).is_dir() and not any((folder / PARTS).iterdir()):
            shutil.rmtree(folder / PARTS)
    return whole.path


@torch.no_grad()
def extract_text(model: torch.nn.Module, folder: Path) -> Path:
    """Write the features ``(C, D)`` of the class names to
    ``text.safetensors``."""
    path, backbone = folder / 'text.safetensors', model.backbone
    if is_main_process():
        names, clip = backbone.vocabulary.names, backbone.clip
        write(path, backbone.text_features(None), dict(
            clip=dict(sha256=clip.digest,
                      spec=clip.identity['preprocessing']),
            logit_scale=float(clip.logit_scale)), classes=names)
    return path


def _view(kind: type[View], model: torch.nn.Module, loader: Mapping,
          config: Mapping, root: Path, split: str) -> View:
    dataset = DATASETS.build(config)
    own = Runner.build_dataloader(dict(loader, dataset=dataset))
    key = build_key(model.backbone.clip, model.data_preprocessor, config,
                    dataset)
    return kind(root, split, key, own)


def _is_there(view: View) -> bool:
    try:
        view.read()
        return True
    except Unusable:
        return False
