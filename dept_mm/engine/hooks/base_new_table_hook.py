"""A table of accuracies before training (zero-shot CLIP) and after it."""
from __future__ import annotations

import time
from statistics import mean

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmpretrain.models import ImageClassifier
from torch import nn, no_grad

from dept_mm.engine.hooks._model import (
    find_hook,
    text_backbone,
    unwrapped_model,
)
from dept_mm.engine.hooks.cost_hook import CostHook
from dept_mm.engine.hooks.selection_hook import SelectionHook
from dept_mm.engine.loops import each_dataset
from dept_mm.engine.run_record import (
    dataset_name,
    describe_dataset,
    describe_run,
    hash_images,
)
from dept_mm.evaluation import (
    HALVES,
    BaseNewMetric,
    harmonic_mean,
    write_result,
)
from dept_mm.evaluation.predictions import FILE as PREDICTIONS
from dept_mm.evaluation.predictions import pack_predictions
from dept_mm.models.heads import CLIPHead
from dept_mm.registry import HOOKS
from dept_mm.structures import Vocabulary

COLUMNS = (*HALVES, 'H')


@HOOKS.register_module()
class BaseNewTableHook(Hook):
    """Evaluates zero-shot CLIP before training and prints a table at the end.

    Zero-shot CLIP is the same frozen CLIP with the data set's hand-written
    template instead of learned prompts. It is measured by the run's own
    validation loader and evaluator, as the tuned model is; where validation
    images choose the epoch (``SelectionHook``), both are measured by those of
    the test. If its accuracy is near chance, the class names or the
    preprocessing are wrong, which training would hide.

    When training ends, the hook writes the raw counts of both evaluations and
    a description of the run to ``result.json`` in the work dir, and the
    predictions of each image beside it. After a test it writes these files
    into the folder of the test's log.

    With several data sets (``MultiDatasetValLoop``), each has its own rows. A
    further row averages the data sets other than the loop's first one: the
    mean of base, the mean of new, and H of these two means, as published
    tables do. If no class is new, the table has a single column, 'all'.

    Config::

        custom_hooks = [dict(type='BaseNewTableHook')]

    Args:
        zero_shot (bool): Whether to evaluate zero-shot CLIP first, which costs
            one pass over the validation images. Defaults to True.
        prefix (str): Prefix of the results of ``BaseNewMetric``. Defaults to
            ``'base_new'``.
    """
    # The last hook to run, so that the others have seen the results.
    priority = 'LOWEST'

    def __init__(self, zero_shot: bool = True,
                 prefix: str = 'base_new') -> None:
        self.zero_shot = zero_shot
        self.prefix = prefix
        self.rows: dict[str, dict] = {}
        self.results: dict[str, dict] = {}
        self.predictions: dict[str, dict] = dict(val={}, test={})
        self.zero_shot_seconds = 0.
        self.selection: SelectionHook | None = None

    def before_train(self, runner: Runner) -> None:
        """Measure zero-shot CLIP."""
        self.selection = find_hook(runner, SelectionHook)
        backbone, loop = text_backbone(runner), self.measured_loop(runner)
        if self.zero_shot and backbone and loop is not None:
            start = time.perf_counter()
            self.rows['zero-shot'] = self._evaluate_zero_shot(
                runner, backbone, loop)
            self.zero_shot_seconds = time.perf_counter() - start
            self._note_counts('zero-shot', runner, self._phase())
            runner.logger.info('Before training\n'
                               f'{self._format_table(self.rows, loop)}')

    def _phase(self) -> str:
        return 'val' if self.selection is None else 'test'

    def measured_loop(self, runner: Runner) -> BaseLoop | None:
        """Return the loop whose images measure the model."""
        return getattr(runner, f'{self._phase()}_loop')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Remember the last validation of the tuned model."""
        if self.selection is None:
            self.rows['tuned'] = self._select_own(metrics or {})
            self._note_counts('tuned', runner, 'val')

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None
                         ) -> None:
        """Print the table of a test and write ``result.json``."""
        found = self._select_own(metrics or {})
        if self.selection is not None:  # the test of the chosen epoch
            self.rows['tuned'] = found
            self._note_counts('tuned', runner, 'test')
        elif found:
            table = self._format_table(dict(tested=found), runner.test_loop)
            runner.logger.info(f'Top-1 accuracy\n{table}')
            self._note_counts('tested', runner, 'test')
            self._write_result(runner, runner.log_dir, 'test')

    def after_train(self, runner: Runner) -> None:
        """Print the table of the run and write ``result.json``."""
        if 'tuned' in self.rows:
            table = self._format_table(self.rows, self.measured_loop(runner))
            runner.logger.info(f'Top-1 accuracy\n{table}')
        self._write_result(runner, runner.work_dir, self._phase())
        self.selection = None

    def _note_counts(self, row: str, runner: Runner, phase: str) -> None:
        """Store the counts of the evaluation just made, by data set."""
        loop = getattr(runner, f'{phase}_loop')
        own = dataset_name(runner.cfg, f'{phase}_dataloader')
        found = {
            prefix[:-1] or own or phase: metric
            for prefix in each_dataset(loop)
            for metric in loop.evaluator.metrics
            if isinstance(metric, BaseNewMetric)
            and metric.prefix == self.prefix}
        self.results[row] = {k: m.halves for k, m in found.items()}
        self.predictions[phase][row] = {
            k: m.predictions for k, m in found.items()}

    @master_only
    def _write_result(self, runner: Runner, folder: str, phase: str) -> None:
        """Write ``result.json`` and ``predictions.npz``."""
        images, about = {}, {}
        predictions = self.predictions[phase]
        train = getattr(runner._train_loop, 'dataloader', None)
        if train is not None:
            images['train'] = hash_images(train.dataset)
        loop = getattr(runner, f'{phase}_loop')
        if loop is not None:
            own = dataset_name(runner.cfg, f'{phase}_dataloader')
            for prefix in each_dataset(loop):
                name = prefix[:-1] or own or phase
                data = loop.dataloader.dataset
                images[f'test/{name}'] = hash_images(data)
                if any(name in row for row in predictions.values()):
                    about[name] = describe_dataset(data)
        hook = find_hook(runner, CostHook)
        cost = hook.report(self.zero_shot_seconds) if hook else {}
        backbone = getattr(unwrapped_model(runner), 'backbone', None)
        results, chosen = self.results, {}
        if self.selection is not None:
            chosen = self.selection.report(runner)
            images['selection'] = chosen.pop('images')
            results = dict(results, selection=chosen.pop('results'))
        write_result(folder, dict(
            describe_run(runner, backbone), **chosen, images=images,
            results=results, **cost), 'tested' in results,
            {PREDICTIONS: pack_predictions(predictions, about)})

    @no_grad()
    def _evaluate_zero_shot(self, runner: Runner, backbone: nn.Module,
                            loop: BaseLoop) -> dict:
        """Evaluate zero-shot CLIP with the loader and evaluator of a loop.

        This does not call ``loop.run()``, because other hooks, such as the
        one that keeps the best checkpoint, would take the result for that of
        the model in training.
        """
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
        return self._select_own(found)

    def _select_own(self, metrics: dict) -> dict:
        """Select the results of ``BaseNewMetric`` and add the average row.

        Results of other metrics are left out, since JSON may not be able to
        hold them. The average is over the data sets other than the first.
        """
        own = {k: v for k, v in metrics.items()
               if f'/{self.prefix}/' in f'/{k}'}
        average = {}
        for column in HALVES:
            values = [v for k, v in own.items()
                      if k.endswith(f'/{self.prefix}/{column}')]
            if values:
                average[column] = mean(values)
        if len(average) == 2:
            average['H'] = harmonic_mean(**average)
        return own | {f'average/{self.prefix}/{k}': v
                      for k, v in average.items()}

    def _format_table(self, rows: dict[str, dict], loop: BaseLoop) -> str:
        """Format percentages, with a dash where a half has no images."""
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
