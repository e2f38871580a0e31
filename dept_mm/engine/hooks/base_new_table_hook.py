"""Zero-shot before, tuned after: the table at the end of a run."""
from __future__ import annotations

import json
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.models import ImageClassifier
from torch import nn, no_grad

from dept_mm.engine.hooks._model import text_backbone, unwrapped_model
from dept_mm.models.heads import CLIPHead
from dept_mm.registry import HOOKS

COLUMNS = ('base', 'new', 'H')
FILE = 'base_new.json'


@HOOKS.register_module()
class BaseNewTableHook(Hook):
    """Evaluates zero-shot CLIP before training and ends with a table.

    Zero-shot is the same frozen CLIP with the data set's template, measured
    by the run's own validation loader and evaluator: if it is near chance,
    class names or preprocessing are wrong, and training would hide that.
    The same rows, with the raw counts, go to ``base_new.json`` in the work
    dir.

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

    def before_train(self, runner: Runner) -> None:
        """Measure zero-shot CLIP."""
        backbone = text_backbone(runner)
        if self.zero_shot and backbone and runner.val_loop is not None:
            self.rows['zero-shot'] = self._evaluate(runner, backbone)
            runner.logger.info(f'Before training\n{self._table(self.rows)}')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Remember the last validation of the tuned model."""
        self.rows['tuned'] = self._own(metrics or {})

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Print the table and write it down."""
        if 'tuned' in self.rows:
            runner.logger.info(f'Top-1 accuracy\n{self._table(self.rows)}')
            Path(runner.work_dir, FILE).write_text(
                json.dumps(self.rows, indent=1))

    @no_grad()
    def _evaluate(self, runner: Runner, backbone: nn.Module) -> dict:
        """Not ``val_loop.run()``: other hooks, e.g. the choice of the best
        checkpoint, must not take this for the model in training."""
        loop = runner.val_loop
        preprocessor = unwrapped_model(runner).data_preprocessor
        zero_shot = ImageClassifier(
            backbone=backbone.zero_shot(), head=CLIPHead(),
            data_preprocessor=preprocessor).eval()
        for batch in loop.dataloader:
            loop.evaluator.process(data_samples=zero_shot.val_step(batch),
                                   data_batch=batch)
        return self._own(
            loop.evaluator.evaluate(len(loop.dataloader.dataset)))

    def _own(self, metrics: dict) -> dict:
        """Results of ``BaseNewMetric``; others may be no JSON."""
        return {k: v for k, v in metrics.items()
                if k.startswith(f'{self.prefix}/')}

    def _table(self, rows: dict[str, dict]) -> str:
        """Rows of percentages; a dash where a half has no images."""
        lines = [' ' * 10 + ''.join(f'{c:>8}' for c in COLUMNS)]
        for name, metrics in rows.items():
            values = (metrics.get(f'{self.prefix}/{c}') for c in COLUMNS)
            lines.append(f'{name:<10}' + ''.join(
                f'{"-":>8}' if v is None else f'{v:8.2f}' for v in values))
        return '\n'.join(lines)
