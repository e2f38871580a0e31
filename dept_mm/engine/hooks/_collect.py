"""Read features of whole data sets through the backbone of a run."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from mmengine.dist import all_reduce, get_dist_info
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dept_mm.datasets import EpochIndex, StoredFeatures
from dept_mm.datasets.unreadable import read_marks
from dept_mm.engine.hooks._model import unwrapped_model
from dept_mm.engine.hooks.unreadable_images_hook import UnreadableImagesHook
from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS
from dept_mm.structures import CLIPFeatures, Vocabulary


def build_validation(runner: Runner, pipeline: Sequence[dict], hint: str
                     ) -> Dataset:
    """Build the validation split of the training data set.

    Args:
        runner (Runner): Its ``cfg`` names the training data set.
        pipeline (Sequence[dict]): Transforms of the validation images.
        hint (str): What a user can do if there is none.

    Raises:
        DeptError: If the data set has no such split.
    """
    config = runner.cfg.train_dataloader.dataset
    if 'split' not in config:
        raise DeptError(f'{config.type} has no splits. {hint}')
    try:
        return DATASETS.build(dict(config, split='val', test_mode=True,
                                   pipeline=pipeline))
    except DeptError as error:
        raise DeptError(f'{error} {hint}') from error


def check_views(hook: str, dataset: Dataset, views: int) -> None:
    """Refuse a feature store with fewer views than a hook wants."""
    if isinstance(dataset, StoredFeatures) and len(dataset.views) < views:
        raise DeptError(f'{hook} wants {views} views of each image, but '
                        f'{len(dataset.views)} are stored: use '
                        f'--cache-features {views}.')


@torch.no_grad()
def collect(runner: Runner, dataset: Dataset,
            read: Callable[[CLIPFeatures], Tensor], width: int,
            batch_size: int, purpose: str, views: int = 1
            ) -> tuple[Tensor, list[str]]:
    """Apply ``read`` to the features of all samples, in evaluation mode.

    Each process handles its share of the samples, and all get the whole
    result. Images that cannot be read are reported under ``purpose``.

    Returns:
        tuple: The rows of ``read``, ``(views, N, width)`` in fp32, and the
        class identity of each of the ``N`` samples.
    """
    model, like = unwrapped_model(runner), runner.train_dataloader
    rank, processes = get_dist_info()
    size = len(dataset)
    mine = [EpochIndex(i, runner.seed, view) for view in range(views)
            for i in range(rank, size, processes)]
    loader = DataLoader(
        dataset, batch_size, sampler=mine, num_workers=like.num_workers,
        collate_fn=like.collate_fn, worker_init_fn=like.worker_init_fn)
    device = next(model.neck.buffers()).device
    found = torch.zeros(views, size, width, device=device)
    label = torch.zeros(size, dtype=torch.long, device=device)
    training, unreadable = model.training, Counter()
    model.eval()
    for start, batch in zip(range(0, len(mine), batch_size), loader,
                            strict=True):
        part = mine[start:start + batch_size]
        index = torch.tensor(part, device=device)
        view = torch.tensor([i.epoch for i in part], device=device)
        unreadable.update(filter(None, read_marks(batch)))
        data = model.data_preprocessor(batch)
        found[view, index] = read(model.backbone(data['inputs'])).float()
        label[index] = torch.cat(
            [s.gt_label for s in data['data_samples']]).to(device)
    model.train(training)
    for hook in runner.hooks:
        if isinstance(hook, UnreadableImagesHook):
            hook.report(runner, unreadable, purpose)
    all_reduce(found)
    all_reduce(label)
    ids = Vocabulary.from_metainfo(dataset.metainfo).ids
    return found, [ids[i] for i in label.tolist()]
