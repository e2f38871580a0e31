"""Zero-shot before, tuned after: the table at the end of a run."""
from __future__ import annotations

import time
from statistics import mean

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmpretrain.models import ImageClassifier
from torch import nn, no_grad

from dept_mm.engine.hooks._model import text_backbone, unwrapped_model
from dept_mm.engine.hooks.cost_hook import CostHook
from dept_mm.engine.loops import each_dataset
from dept_mm.engine.run_record import dataset_name, describe_run, images_hash
from dept_mm.evaluation import BaseNewMetric, harmonic_mean, write_result
from dept_mm.models.heads import CLIPHead
from dept_mm.registry import HOOKS
from dept_mm.structures import Vocabulary

COLUMNS = ('base', 'new', 'H')


@HOOKS.register_module()
class BaseNewTableHook(Hook):
    """Evaluates zero-shot CLIP before training and ends with a table.

    Zero-shot is the same frozen CLIP with the data set's template, measured
    by the run's own validation loader and evaluator: if it is near chance,
    class names or preprocessing are wrong, and training would hide that.
    When training ends, the raw counts of both, and what the run was, go to
    ``result.json`` in the work dir; those of a test to that of its log.

    Several data sets (``MultiDatasetValLoop``) get rows of their own, and
    the further ones an average: the mean of base, that of new, and H of
    these means, as in published tables. Where no class is new, there is one
    column, 'all'.

    Args:
        zero_shot (bool): Whether to evaluate zero-shot CLIP first; it costs
            one pass over the validation images. Defaults to True.
        prefix (str): Prefix of ``BaseNewMetric``'s results.
            Defaults to ``'base_new'``.
    """
    # Results are read after every other hook has seen them.
    priority = 'LOWEST'

    def __init__(self, zero_shot: bool = True,
                 prefix: str = 'base_new') -> None:
        self.zero_shot = zero_shot
        self.prefix = prefix
        self.rows: dict[str, dict] = {}
        self.results: dict[str, dict] = {}
        self.zero_shot_seconds = 0.

    def before_train(self, runner: Runner) -> None:
        """Measure zero-shot CLIP."""
        backbone = text_backbone(runner)
        if self.zero_shot and backbone and runner.val_loop is not None:
            start = time.perf_counter()
            self.rows['zero-shot'] = self._evaluate(runner, backbone)
            self.zero_shot_seconds = time.perf_counter() - start
            self._keep('zero-shot', runner, 'val')
            runner.logger.info(
                f'Before training\n{self._table(self.rows, runner.val_loop)}')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Remember the last validation of the tuned model."""
        self.rows['tuned'] = self._own(metrics or {})
        self._keep('tuned', runner, 'val')

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None
                         ) -> None:
        """Print the table of a test and write it down."""
        found = self._own(metrics or {})
        if found:
            table = self._table(dict(tested=found), runner.test_loop)
            runner.logger.info(f'Top-1 accuracy\n{table}')
            self._keep('tested', runner, 'test')
            self._write(runner, runner.log_dir, 'test')

    def after_train(self, runner: Runner) -> None:
        """Print the table and write it down."""
        if 'tuned' in self.rows:
            table = self._table(self.rows, runner.val_loop)
            runner.logger.info(f'Top-1 accuracy\n{table}')
        self._write(runner, runner.work_dir, 'val')

    def _keep(self, row: str, runner: Runner, phase: str) -> None:
        """Counts of the evaluation that was just made, by data set."""
        loop = getattr(runner, f'{phase}_loop')
        own = dataset_name(runner.cfg, f'{phase}_dataloader')
        self.results[row] = {
            prefix[:-1] or own or phase: metric.halves
            for prefix in each_dataset(loop)
            for metric in loop.evaluator.metrics
            if isinstance(metric, BaseNewMetric)
            and metric.prefix == self.prefix}

    @master_only
    def _write(self, runner: Runner, folder: str, phase: str) -> None:
        """Write ``result.json``."""
        images = {}
        train = getattr(runner._train_loop, 'dataloader', None)
        if train is not None:
            images['train'] = images_hash(train.dataset)
        loop = getattr(runner, f'{phase}_loop')
        if loop is not None:
            own = dataset_name(runner.cfg, f'{phase}_dataloader')
            for prefix in each_dataset(loop):
                images[f'test/{prefix[:-1] or own or phase}'] = images_hash(
                    loop.dataloader.dataset)
        cost = next((hook.report(self.zero_shot_seconds)
                     for hook in runner.hooks if isinstance(hook, CostHook)),
                    {})
        backbone = getattr(unwrapped_model(runner), 'backbone', None)
        write_result(folder, dict(
            describe_run(runner, backbone),
            images=images, results=self.results, **cost))

    @no_grad()
    def _evaluate(self, runner: Runner, backbone: nn.Module) -> dict:
        """Not ``val_loop.run()``: other hooks, e.g. the choice of the best
        checkpoint, must not take this for the model in training."""
        loop = runner.val_loop
        preprocessor = unwrapped_model(runner).data_preprocessor
        zero_shot = ImageClassifier(
            backbone=backbone.zero_shot(), head=CLIPHead(),
            data_preprocessor=preprocessor).eval()
        found = {}
        for prefix in each_dataset(loop):
            data = loop.dataloader.dataset
            zero_shot.backbone.set_vocabulary(
                Vocabulary.from_metainfo(data.metainfo))
            for batch in loop.dataloader:
                loop.evaluator.process(data_samples=zero_shot.val_step(batch),
                                       data_batch=batch)
            found.update({prefix + key: value for key, value in
                          loop.evaluator.evaluate(len(data)).items()})
        return self._own(found)

    def _own(self, metrics: dict) -> dict:
        """Results of ``BaseNewMetric``, others may be no JSON; and the
        average over the further data sets."""
        own = {k: v for k, v in metrics.items()
               if f'/{self.prefix}/' in f'/{k}'}
        average = {}
        for column in ('base', 'new'):
            values = [v for k, v in own.items()
                      if k.endswith(f'/{self.prefix}/{column}')]
            if values:
                average[column] = mean(values)
        if len(average) == 2:
            average['H'] = harmonic_mean(**average)
        return own | {f'average/{self.prefix}/{k}': v
                      for k, v in average.items()}

    def _table(self, rows: dict[str, dict], loop: BaseLoop) -> str:
        """Rows of percentages; a dash where a half has no images."""
        split = any([
            Vocabulary.from_metainfo(loop.dataloader.dataset.metainfo
                                     ).new_labels for _ in each_dataset(loop)])
        columns = COLUMNS if split else COLUMNS[:1]
        lines = []
        starts = dict.fromkeys(key.split(f'{self.prefix}/')[0]
                               for metrics in rows.values() for key in metrics)
        for data in starts:
            for name, metrics in rows.items():
                values = (metrics.get(f'{data}{self.prefix}/{c}')
                          for c in columns)
                label = f'{data[:-1]} {name}'.strip()
                lines.append((label, ''.join(
                    f'{"-":>8}' if v is None else f'{v:8.2f}'
                    for v in values)))
        width = max(10, *(len(label) + 1 for label, _ in lines))
        head = ''.join(f'{c:>8}' for c in (columns if split else ('all', )))
        return '\n'.join([' ' * width + head, *(
            f'{label:<{width}}{values}' for label, values in lines)])
