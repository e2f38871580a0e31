"""The logits of a whole split of a data set."""
from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dept_mm.apis._run import compute_each
from dept_mm.apis.tuned_model import TunedModel
from dept_mm.config import unwrap_dataset
from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS
from dept_mm.structures import Vocabulary


def find_dataset(model: TunedModel) -> Mapping:
    """Find the config of the data set that a model learned on.

    Raises:
        DeptError: If its config has none with splits.
    """
    loader = model.config.get('train_dataloader') or {}
    found = unwrap_dataset(loader.get('dataset', {}))
    if 'split' not in found:
        raise DeptError('The config of the model names no data set with '
                        'a validation split and a test split. Give the config '
                        'of the training, load(CONFIG, FILE) or --config '
                        'CONFIG.')
    return found


def build_split(model: TunedModel, dataset: Mapping, split: str,
                **changes) -> Dataset:
    """Build a split whose images are prepared as a model's test images.

    Args:
        model (TunedModel): The model.
        dataset (Mapping): Config of the data set.
        split (str): 'train', 'val' or 'test'.
        **changes: Other options of the data set.
    """
    test = model.config.test_dataloader.dataset
    return DATASETS.build(dict(
        {key: dataset[key] for key in dataset if key != 'indices'},
        split=split, test_mode=True, pipeline=test['pipeline'], **changes))


def collect_logits(model: TunedModel, dataset: Dataset, batch_size: int,
                   num_workers: int,
                   score: Callable[[TunedModel, Tensor], Tensor]
                   = TunedModel.logits) -> tuple[Tensor, list[str]]:
    """Compute the logits of all images of a data set.

    Args:
        model (TunedModel): The model.
        dataset (Dataset): The images.
        batch_size (int): Images per batch.
        num_workers (int): Processes that read images.
        score (Callable): Computes something else ``(B, ...)`` of a model and
            prepared images. Defaults to logits.

    Returns:
        tuple: Logits ``(N, C)`` of the model's classes, and the identities of
        the images' classes.
    """
    ids = Vocabulary.from_metainfo(dataset.metainfo).ids

    def compute(model: TunedModel, data: dict) -> Tensor:
        return score(model, model.prepare(data))

    loader = DataLoader(dataset, batch_size, num_workers=num_workers,
                        collate_fn=pseudo_collate)
    logits, found = [], []
    for data, part in compute_each([model], compute, loader):
        logits.append(part)
        found += [ids[int(x.gt_label)] for x in data['data_samples']]
    return torch.cat(logits), found
