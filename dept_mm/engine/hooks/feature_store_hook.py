"""A hook that reads from disk what frozen models make of images."""
from __future__ import annotations

from functools import partial
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from torch import nn
from torch.utils.data import DataLoader

from dept_mm.datasets import EpochSampler, FeatureDataset, StoredFeatures
from dept_mm.engine.feature_store import (
    Content,
    View,
    build_key,
    check_parts,
    choose_content,
    compute_features,
    read_or_compute,
    refusal,
    run_in_all_processes,
)
from dept_mm.engine.hooks._model import read_vocabulary, unwrapped_model
from dept_mm.engine.loops import MultiDataset, each_dataset
from dept_mm.errors import DeptError
from dept_mm.registry import HOOKS

# What a loader with worker processes is made with.
WORKERS = ('num_workers', 'worker_init_fn', 'persistent_workers',
           'prefetch_factor', 'multiprocessing_context', 'timeout')


@HOOKS.register_module()
class FeatureStoreHook(Hook):
    """Runs the frozen image tower once, then trains and tests on its features.

    A learner that changes the image tower leaves less to store: what its
    teacher makes of the training images, which are then loaded as without a
    store (PromptSRC, MMRL, PromptKD); or, without such a teacher, the hidden
    states before the first block that changes (MultiModalAdapter,
    TunedBlocks, late prompts). States are large, 605 KB an image on ViT-B/16.

    The feature store is the folder ``root``. It holds one file per data set
    and view, where a view is all images of a data set under one draw of the
    augmentation. Every later run with the same CLIP, preprocessing, pipeline,
    images and library versions reads the same files, whatever its prompt
    learner, head, loss or learning rate. Files that differ in any of these are
    not used, and damaged files are computed again. The code of your own
    transforms is not compared: delete the folder when you change it.

    Test and validation are exact. Training is exact with one view per epoch:
    view ``e`` holds the augmentation that epoch ``e`` draws without a store.
    With fewer views, epochs take turns on them, which is an approximation.
    "Exact" means up to the order of sums in a kernel, at the precision of the
    CLIP: under mixed precision, the image tower is not autocast here.

    Config (``--cache-features`` of the tools adds it)::

        custom_hooks = _base_.custom_hooks + [
            dict(type='FeatureStoreHook', root='work_dirs/features')]

    Args:
        root (str): Folder of the store, which all processes must see. Defaults
            to ``'work_dirs/features'``.
        views (int, optional): Number of views of the training images; 0 stores
            only test and validation images. Defaults to the number of epochs.
        batch_size (int, optional): Images per batch of the image tower.
            Defaults to 128 on a GPU and to 16 on a CPU, where larger batches
            are slower.

    Raises:
        DeptError: If image features change during training, or if it cannot be
            decided which stored features belong to the run; the message says
            why.
    """
    # Replaces the loaders before another hook looks at them.
    priority = 'VERY_HIGH'

    def __init__(self, root: str = 'work_dirs/features',
                 views: int | None = None,
                 batch_size: int | None = None) -> None:
        if views is not None and views < 0:
            raise DeptError(f'FeatureStoreHook: views={views} is negative.')
        self.root = Path(root)
        self.views = views
        self.batch_size = batch_size

    def before_run(self, runner: Runner) -> None:
        """Replace the data loaders of the loops that are about to run."""
        model = unwrapped_model(runner)
        check_parts(model)
        loop = runner._train_loop
        # VocabularyHook gives the model these classes when training begins.
        vocabulary = (read_vocabulary(loop.dataloader)
                      if isinstance(loop, BaseLoop) else None)
        content = choose_content(model.backbone, vocabulary)
        wanted: list[tuple[BaseLoop, str, list[View]]] = []
        run_in_all_processes(lambda: wanted.extend(
            (loop, prefix, self._views(runner, content, name, prefix))
            for name, loop in self._loops(runner, content).items()
            for prefix in each_dataset(loop)))
        compute = partial(compute_features, model=model, content=content,
                          batch_size=self.batch_size)
        stored = iter(read_or_compute(
            [view for *_, views in wanted for view in views], compute))
        for loop, prefix, views in wanted:
            loader = with_features(views[0].loader,
                                   [next(stored) for _ in views], content)
            if isinstance(loop, MultiDataset):
                loop.exchange(prefix, loader)
            else:
                loop.dataloader = loader

    def _loops(self, runner: Runner, content: Content
               ) -> dict[str, BaseLoop]:
        """Return the loops that are built and still read images, by name; a
        teacher is there in training only."""
        names = ('train', ) if content.of_teacher else ('train', 'val', 'test')
        names = names[self.views == 0:]
        loops = {name: getattr(runner, f'_{name}_loop') for name in names}
        return {name: loop for name, loop in loops.items()
                if isinstance(loop, BaseLoop) and not isinstance(
                    loop.dataloader.dataset,
                    (StoredFeatures, FeatureDataset))}

    def _views(self, runner: Runner, content: Content, name: str,
               prefix: str) -> list[View]:
        """List the views that the current data loader of a loop needs."""
        model = unwrapped_model(runner)
        loop = getattr(runner, f'{name}_loop')
        loader, config = loop.dataloader, runner.cfg.get(f'{name}_dataloader')
        if not isinstance(config, dict):
            raise DeptError(f'FeatureStoreHook needs {name}_dataloader as a '
                            'config: its pipeline says what is stored.')
        config = config['dataset']
        if isinstance(loop, MultiDataset):
            config = loop.configs[prefix]
        key = build_key(model.backbone.clip, model.data_preprocessor, config,
                        loader.dataset) | content.key
        if name != 'train':
            return [View(self.root, 'test', key, loader)]
        check_training(runner, model, loader)
        epochs = runner.max_epochs
        count = epochs if self.views is None else self.views
        runner.logger.info(
            f'Feature store: {count} views of the training images for '
            f'{epochs} epochs: ' + (
                'exact.' if count >= epochs else 'views repeat, which '
                'approximates the augmentation.'))
        return [View(self.root, 'train', key, loader, loader.sampler.seed, e)
                for e in range(count)]


def with_features(loader: DataLoader, views: list, content: Content
                  ) -> DataLoader:
    """Build a loader that reads what is stored instead of images, or beside
    them where it is a teacher's.

    It draws the same samples in the same batches, without worker processes
    where there are no images to load.
    """
    workers = {name: getattr(loader, name) for name in WORKERS
               } if content.of_teacher else {}
    batches = dict(batch_sampler=loader.batch_sampler)
    if loader.batch_size is not None:
        batches = dict(batch_size=loader.batch_size, sampler=loader.sampler,
                       drop_last=loader.drop_last)
    return DataLoader(
        StoredFeatures(loader.dataset, views, content.wrap,
                       content.of_teacher),
        collate_fn=loader.collate_fn, pin_memory=loader.pin_memory,
        generator=loader.generator, **workers, **batches)


def check_training(runner: Runner, model: nn.Module, loader: DataLoader
                   ) -> None:
    """Refuse a training whose augmentation cannot be drawn in advance.

    Raises:
        DeptError: If views cannot be computed before training.
    """
    if hasattr(runner.train_loop, 'dataloader_iterator'):
        raise refusal('training goes by iterations; set train_cfg.by_epoch')
    if not isinstance(loader.sampler, EpochSampler):
        raise refusal(
            'the augmentation of an epoch is known in advance with '
            "train_dataloader.sampler.type='EpochSampler', not with a "
            f'{type(loader.sampler).__name__}')
    if model.data_preprocessor.batch_augments is not None:
        raise refusal('data_preprocessor.batch_augments mixes images')
