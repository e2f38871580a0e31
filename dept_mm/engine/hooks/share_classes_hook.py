"""Text work divided between the processes of a run."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from dept_mm.engine.hooks._model import text_backbone
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class ShareClassesHook(Hook):
    """Lets each process of a distributed run encode a share of the classes.

    Every process needs the text features of all classes in each training
    step; without this hook, each computes all of them. Numbers stay the same
    (see ``over_processes``). On while training runs only, when all processes
    take every step together.
    """

    def before_train(self, runner: Runner) -> None:
        """Start sharing, if the model is distributed."""
        self._set(runner, is_model_wrapper(runner.model))

    def after_train(self, runner: Runner) -> None:
        """Stop sharing."""
        self._set(runner, False)

    @staticmethod
    def _set(runner: Runner, share: bool) -> None:
        if backbone := text_backbone(runner):
            backbone.share_classes = share
