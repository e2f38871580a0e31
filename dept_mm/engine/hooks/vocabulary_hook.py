"""Model and data set must speak of the same classes."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from dept_mm.engine.hooks._model import text_backbone
from dept_mm.registry import HOOKS
from dept_mm.structures import Vocabulary


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Switches the backbone's vocabulary to that of the data set in use.

    Labels index the classes of their own data set, so the model must score
    exactly those. A model without a vocabulary, or a data set that names no
    classes, is left alone.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Before training, and again after each validation."""
        self._switch(runner, runner.train_dataloader)

    def before_val_iter(self, runner: Runner, batch_idx: int,
                        data_batch=None) -> None:
        """With the first batch of each data set."""
        if batch_idx == 0:
            self._switch(runner, runner.val_dataloader)

    def before_test_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None) -> None:
        """With the first batch of each data set."""
        if batch_idx == 0:
            self._switch(runner, runner.test_dataloader)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """After several data sets: a checkpoint saved now is for the first
        of them."""
        self._switch(runner, runner.val_dataloader)

    @staticmethod
    def _switch(runner: Runner, loader: DataLoader) -> None:
        backbone = text_backbone(runner)
        meta = getattr(loader.dataset, 'metainfo', {})
        if backbone is None or not meta.get('classes'):
            return
        vocabulary = Vocabulary.from_metainfo(meta)
        if vocabulary != backbone.vocabulary:
            backbone.set_vocabulary(vocabulary)
