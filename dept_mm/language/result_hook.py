"""Write ``result.json`` after a run with a language model."""
from __future__ import annotations

import hashlib
import json

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.engine.hooks import CostHook
from dept_mm.engine.hooks._model import unwrapped_model
from dept_mm.engine.run_record import describe_run
from dept_mm.evaluation import write_result
from dept_mm.language.dataset import TextDataset
from dept_mm.language.metric import LanguageMetric
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class LanguageResultHook(Hook):
    """Write ``result.json`` (the results and settings of a run) at its end.

    Like ``BaseNewTableHook`` for CLIP, it writes into the work dir after
    training, and beside the log after a test. Counts are stored under 'base',
    because no class is new, and all measures under ``metrics``.

    Examples:
        >>> custom_hooks = [dict(type='LanguageResultHook')]
    """
    # Other hooks may change the results before they are written.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self.found: dict = {}

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Keep the metrics of the last validation."""
        self._keep(runner.val_loop, metrics)

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None
                         ) -> None:
        """Write the results of a test."""
        self._keep(runner.test_loop, metrics)
        self._write(runner, runner.log_dir, 'tested')

    def after_train(self, runner: Runner) -> None:
        """Write the results of a training run."""
        if self.found:
            self._write(runner, runner.work_dir, 'tuned')

    def _keep(self, loop, metrics: dict | None) -> None:
        counts = next((m.counts for m in loop.evaluator.metrics
                       if isinstance(m, LanguageMetric)), {})
        self.found = dict(metrics=dict(metrics or {}), counts=counts,
                          data=loop.dataloader.dataset)

    @master_only
    def _write(self, runner: Runner, folder: str, row: str) -> None:
        name = 'test' if row == 'tested' else 'val'
        data = dict(test=self.found['data'])
        train = getattr(runner._train_loop, 'dataloader', None)
        if train is not None:
            data['train'] = train.dataset
        about = describe_run(runner, unwrapped_model(runner))
        counts = self.found['counts']
        cost = next((hook.report() for hook in runner.hooks
                     if isinstance(hook, CostHook)), {})
        write_result(folder, dict(
            about, images={k: hash_texts(v) for k, v in data.items()},
            results={row: {about['dataset'] or name:
                           dict(base=counts) if counts else {}}},
            metrics=self.found['metrics'], **cost))


def hash_texts(dataset: TextDataset) -> str:
    """Return the SHA-256 of the labels and texts of all samples, in order."""
    found = hashlib.sha256()
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        found.update(json.dumps([info['gt'], info['texts']]).encode())
    return found.hexdigest()
