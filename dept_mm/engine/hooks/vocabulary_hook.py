"""A hook that makes the model score the classes of the data set in use."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from dept_mm.engine.hooks._model import read_vocabulary, text_backbone
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Switches the backbone's vocabulary to that of the data set in use.

    The vocabulary is the list of classes that a model scores. Labels index the
    classes of their own data set, so the model must score exactly those. The
    hook does nothing for a model without a vocabulary or a data set that names
    no classes.

    Config::

        default_hooks = dict(vocabulary=dict(type='VocabularyHook'))
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Switch before training, and back after each validation."""
        self._switch_vocabulary(runner, runner.train_dataloader)

    def before_val_iter(self, runner: Runner, batch_idx: int,
                        data_batch=None) -> None:
        """Switch at the first batch of each data set."""
        if batch_idx == 0:
            self._switch_vocabulary(runner, runner.val_dataloader)

    def before_test_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None) -> None:
        """Switch at the first batch of each data set."""
        if batch_idx == 0:
            self._switch_vocabulary(runner, runner.test_dataloader)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None
                        ) -> None:
        """Switch back to the first of several data sets.

        A checkpoint that is saved now then holds the vocabulary of that data
        set.
        """
        self._switch_vocabulary(runner, runner.val_dataloader)

    @staticmethod
    def _switch_vocabulary(runner: Runner, loader: DataLoader) -> None:
        backbone = text_backbone(runner)
        if backbone is None:
            return
        vocabulary = read_vocabulary(loader)
        if vocabulary not in (None, backbone.vocabulary):
            backbone.set_vocabulary(vocabulary)
