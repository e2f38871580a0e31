"""A config's data loaders, and class names that can replace its data sets."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from dept_mm.datasets import FewShotDataset, Item, Splits
from dept_mm.datasets.few_shot import TASKS
from dept_mm.errors import DeptError
from dept_mm.models.clip.loading import RANDOM

REMEDY = ('To explain the config without its data, name some classes: '
          '--classes cat dog ...')
# Options of a few-shot data set that have a meaning without its files.
_KEPT = ('split', 'task', 'num_shots', 'seed', 'template', 'base_classes')


class ListedClasses(FewShotDataset):
    """A data set of class names whose images are only counted, never loaded.

    Args:
        names (Sequence[str]): The class names.
        images (int): Number of images per class in each split.
        **kwargs: Passed to ``FewShotDataset``.
    """

    def __init__(self, names: Sequence[str], images: int, **kwargs) -> None:
        self.names = list(names)
        self.images = images
        super().__init__(**kwargs)

    def read(self) -> Splits:
        """Return the same images for all splits."""
        items = [Item('', label) for label in range(len(self.names))
                 for _ in range(self.images)]
        return Splits(self.names, items, items, items)


def replace_datasets(cfg: Config, names: Sequence[str], images: int) -> None:
    """Replace the data sets of a config by class names, in place.

    Split, task, shots, template and the share of base classes stay.

    Args:
        cfg (Config): The config.
        names (Sequence[str]): The class names.
        images (int): Number of images per class in each split.
    """
    def replace(dataset: Any) -> dict:
        given = dataset if isinstance(dataset, dict) else {}
        kept = {k: given[k] for k in _KEPT if k in given}
        if kept.get('task') not in TASKS:
            kept.pop('task', None)  # one of language
        if not isinstance(kept.get('base_classes', ''), str):
            del kept['base_classes']  # a list of other classes
        return dict(kept, type=ListedClasses, names=list(names),
                    images=images)

    for key in ('train', 'val', 'test'):
        loader = cfg.get(f'{key}_dataloader')
        if loader is not None:
            loader.dataset = dict(replace(loader.dataset), pipeline=[])
    for node in iterate_dicts(cfg.get('model')):
        if node.get('vocabulary') is not None:
            node['vocabulary'] = replace(node['vocabulary'])


def use_random_weights(cfg: Config) -> None:
    """Give every CLIP and language model of a config random weights, in
    place."""
    for node in iterate_dicts(cfg._cfg_dict):
        clip = node.get('clip')
        if isinstance(clip, dict) and 'name' in clip:
            clip['pretrained'] = RANDOM
        lm = node.get('lm')
        if isinstance(lm, dict) and 'name' in lm:
            lm['pretrained'] = False


def iterate_dicts(node: Any) -> Iterator[dict]:
    """Yield all dicts of a config, at any depth."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from iterate_dicts(child)


def build_loader(cfg: Config, *names: str) -> DataLoader | None:
    """Build the first of these data loaders that the config has.

    Returns:
        DataLoader, optional: The loader; None if the config has none of them.

    Raises:
        DeptError: If its data set cannot be read.
    """
    for name in names:
        if cfg.get(name) is not None:
            # Nothing is loaded from it, so it needs no workers.
            options = dict(deepcopy(cfg[name]), num_workers=0)
            options.pop('persistent_workers', None)
            options.pop('prefetch_factor', None)
            with advise_on_missing_data():
                return Runner.build_dataloader(options)
    return None


@contextmanager
def advise_on_missing_data() -> Iterator[None]:
    """Add advice to the error of a data set that is not there."""
    try:
        yield
    except OSError as error:
        raise DeptError(f'The data set cannot be read: {error}. '
                        f'{REMEDY}') from error
    except DeptError as error:
        if 'not found' not in str(error):
            raise
        raise DeptError(f'{error} {REMEDY}') from error
