"""Computing the image features of a data set."""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import DataLoader

from dept_mm.datasets import SeededDataset
from dept_mm.datasets.stored_features import packer
from dept_mm.datasets.unreadable import read_marks
from dept_mm.engine.feature_store.view import View
from dept_mm.errors import DeptError
from dept_mm.structures import Views
from dept_mm.utils.machine import num_cores

LOG_SECONDS = 10


@torch.no_grad()
def compute_features(view: View, model: Any, batch_size: int | None = None,
                     encode: Callable[[Tensor], Tensor] | None = None
                     ) -> Tensor:
    """Encode all images of a view.

    Args:
        view (View): The view.
        model (ImageClassifier): A model with a ``PromptedCLIP`` backbone and a
            preprocessor.
        batch_size (int, optional): Images per batch; see ``FeatureStoreHook``.
        encode (Callable, optional): Maps normalised images ``(B, 3, H, W)``,
            of two views the teacher's, to ``(B, D)``. Defaults to the image
            tower, of two views on the other one.

    Returns:
        Tensor: ``(N, D)`` on the CPU, in the precision of the tower; nan for
        an image that cannot be read.
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
    parts, done, start = [], 0, time.time()
    last = start
    for batch in batches:
        for i, sample in enumerate(batch['data_samples'], done):
            _check_label(sample, pack(own.get_data_info(i)))
        images = model.data_preprocessor(batch)['inputs']
        if isinstance(images, Views):
            images = images.teacher if encode else images.image
        parts.append((encode or model.backbone.clip.encode_image)(
            images).cpu())
        replaced = [mark is not None for mark in read_marks(batch)]
        parts[-1][torch.tensor(replaced)] = torch.nan
        done += len(images)
        now = time.time()
        if now - last > LOG_SECONDS or done == len(indices):
            last = now
            print_log(f'Feature store: {view.path.name}: {done} of '
                      f'{len(indices)} images, {done / (now - start):.0f} '
                      'images/s', logger='current')
    return torch.cat(parts)


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
