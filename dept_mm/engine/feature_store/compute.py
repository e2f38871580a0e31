"""Computing the image features of a data set."""
from __future__ import annotations

import os
import time
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader

from dept_mm.datasets import SeededDataset
from dept_mm.datasets.stored_features import packer
from dept_mm.datasets.unreadable import read_marks
from dept_mm.engine.feature_store.content import Content
from dept_mm.engine.feature_store.view import View
from dept_mm.errors import DeptError
from dept_mm.structures import Views
from dept_mm.utils.machine import num_cores, total_memory

LOG_SECONDS = 10


@torch.no_grad()
def compute_features(view: View, model: Any, content: Content,
                     batch_size: int | None = None) -> Tensor:
    """Encode all images of a view.

    Args:
        view (View): The view.
        model (ImageClassifier): A model with a ``PromptedCLIP`` backbone and a
            preprocessor.
        content (Content): What is stored.
        batch_size (int, optional): Images per batch; see ``FeatureStoreHook``.

    Returns:
        Tensor: ``(N, ...)`` on the CPU, in the precision of the tower; nan for
        an image that cannot be read.

    Raises:
        DeptError: If the whole would fill much of this machine's memory, or
            the pipeline changes labels.
    """
    loader, own = view.loader, view.loader.dataset
    pack, indices = packer(own), view.indices
    if batch_size is None:
        on_cpu = model.backbone.clip.logit_scale.device.type == 'cpu'
        batch_size = 16 if on_cpu else 128
    batches = DataLoader(
        SeededDataset(own), batch_size, sampler=indices,
        num_workers=_count_workers(loader.num_workers),
        collate_fn=loader.collate_fn, pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
        # Its own generator leaves the run's random state untouched.
        generator=torch.Generator())
    rows, done, start = None, 0, time.time()
    last = start
    for batch in batches:
        for i, sample in enumerate(batch['data_samples'], done):
            _check_label(sample, pack(own.get_data_info(i)))
        images = model.data_preprocessor(batch)['inputs']
        if isinstance(images, Views):
            images = images.teacher if content.of_teacher else images.image
        found = content.encode(images).cpu()
        replaced = [mark is not None for mark in read_marks(batch)]
        found[torch.tensor(replaced)] = torch.nan
        rows = _reserve(found, len(indices)) if rows is None else rows
        rows[done:done + len(found)] = found
        done += len(found)
        now = time.time()
        if now - last > LOG_SECONDS or done == len(indices):
            last = now
            print_log(f'Feature store: {view.path.name}: {done} of '
                      f'{len(indices)} images, {done / (now - start):.0f} '
                      f'images/s, {found[0].nbytes / 1e3:.0f} KB each',
                      logger='current')
    return rows


def _reserve(rows: Tensor, count: int) -> Tensor:
    """Make room for ``count`` such rows, and another copy in a file's format.

    Raises:
        DeptError: If they would take more than a third of the memory.
    """
    need, memory = rows[0].nbytes * count, total_memory()
    if memory and need > memory / 3:
        raise DeptError(
            f'Feature store: {count} images of {rows[0].nbytes / 1e3:.0f} KB '
            f'take {need / 1e9:.1f} GB, twice while they are written, and '
            f'this machine has {memory / 1e9:.0f} GB of memory. Run without '
            '--cache-features (FeatureStoreHook).')
    return rows.new_empty(count, *rows.shape[1:])


def _check_label(found: Any, expected: dict) -> None:
    """Refuse a pipeline that changes labels: its features cannot be stored.

    Raises:
        DeptError: If the label is not the data set's.
    """
    label = expected['data_samples'].get('gt_label')
    if label is not None and not torch.equal(found.gt_label, label):
        raise DeptError(
            f'Feature store: the pipeline turned label {label.tolist()} of '
            f'{found.get("img_path")} into {found.gt_label.tolist()}. Such '
            'features cannot be stored.')


def _count_workers(wanted: int) -> int:
    """Choose the number of workers: one per core, but not fewer than given.

    A loader without workers stays without, since that is how one debugs.
    """
    share = num_cores() // int(os.environ.get('LOCAL_WORLD_SIZE', 1))
    return wanted and max(wanted, share)
