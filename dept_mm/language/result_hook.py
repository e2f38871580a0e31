"""Test the checkpoint that a run selects, and write ``result.json``."""
from __future__ import annotations

import hashlib
import json

from mmengine.dist import barrier, master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from dept_mm.engine.hooks import CostHook
from dept_mm.engine.hooks._model import unwrapped_model
from dept_mm.engine.run_record import dataset_name, describe_run
from dept_mm.evaluation import write_result
from dept_mm.language.dataset import TextDataset
from dept_mm.language.metric import LanguageMetric
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class LanguageResultHook(Hook):
    """Test the model at the end of training, and write ``result.json``.

    If the checkpoint hook keeps the best checkpoint (``save_best``), that one
    is loaded and tested, and otherwise the last weights. This is row
    ``tuned`` of the results. Row ``selection`` is the validation by which the
    checkpoint was selected, which flatters it. After ``tools/test.py``, row
    ``tested`` is written beside the log.

    Each row holds by data set the ``metrics`` of the task, and the counts of
    correct answers under ``base``, because no class is new.

    Examples:
        >>> custom_hooks = [dict(type='LanguageResultHook')]
    """
    # Before the checkpoint hook: a checkpoint holds its own validation.
    priority = 'LOW'

    def __init__(self) -> None:
        self.training = False
        self.selection: dict[str, dict] = {}

    def before_train(self, runner: Runner) -> None:
        """Note that a test belongs to a training."""
        self.training = True

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Put the validation into the checkpoints that follow."""
        runner.message_hub.update_info('validation', _collect(runner, 'val'))

    def after_train(self, runner: Runner) -> None:
        """Test the selected checkpoint."""
        best = runner.message_hub.get_info('best_ckpt')
        if best is not None:
            barrier()  # the main process has written it
            found = runner.load_checkpoint(best)
            self.selection = found['message_hub']['runtime_info']['validation']
        if runner.test_loop is None:
            self._write(runner, runner.work_dir, {})
        else:
            runner.test_loop.run()
        self.training, self.selection = False, {}

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None
                         ) -> None:
        """Write the results of a test."""
        row, folder = (('tuned', runner.work_dir) if self.training else
                       ('tested', runner.log_dir))
        self._write(runner, folder, {row: _collect(runner, 'test')})

    @master_only
    def _write(self, runner: Runner, folder: str, rows: dict) -> None:
        data = {}
        train = getattr(runner._train_loop, 'dataloader', None)
        if train is not None:
            data['train'] = train.dataset
        if self.selection:
            rows = dict(selection=self.selection, **rows)
            data['selection'] = runner.val_loop.dataloader.dataset
        if isinstance(runner._test_loop, BaseLoop):
            data[f'test/{_name(runner, "test")}'] = (
                runner.test_loop.dataloader.dataset)
        cost = next((hook.report() for hook in runner.hooks
                     if isinstance(hook, CostHook)), {})
        write_result(folder, dict(
            describe_run(runner, unwrapped_model(runner)),
            images={k: hash_texts(v) for k, v in data.items()},
            results=rows, **cost), 'tested' in rows)


def _name(runner: Runner, phase: str) -> str:
    return dataset_name(runner.cfg, f'{phase}_dataloader') or phase


def _collect(runner: Runner, phase: str) -> dict[str, dict]:
    """Collect the last measurements of a loop, by data set."""
    found = next((m for m in getattr(runner, f'{phase}_loop').evaluator.metrics
                  if isinstance(m, LanguageMetric)), None)
    if found is None:
        return {}
    counts = dict(base=found.counts) if found.counts else {}
    return {_name(runner, phase): dict(counts, metrics=found.values)}


def hash_texts(dataset: TextDataset) -> str:
    """Return the SHA-256 of the labels and texts of all samples, in order."""
    found = hashlib.sha256()
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        found.update(json.dumps([info['gt'], info['texts']]).encode())
    return found.hexdigest()
