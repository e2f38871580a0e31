"""A hook that divides the text tower's work between processes."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from dept_mm.engine.hooks._model import text_backbone
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class ShareClassesHook(Hook):
    """Lets each process of a distributed run encode a share of the classes.

    Every process needs the text features of all classes in each training step.
    Without this hook, each process computes all of them. The results are the
    same (see ``over_processes``). Sharing is active only during training, when
    all processes take every step together.

    Config::

        default_hooks = dict(share_classes=dict(type='ShareClassesHook'))
    """

    def before_train(self, runner: Runner) -> None:
        """Start sharing if the run is distributed."""
        self._set_sharing(runner, is_model_wrapper(runner.model))

    def after_train(self, runner: Runner) -> None:
        """Stop sharing."""
        self._set_sharing(runner, False)

    @staticmethod
    def _set_sharing(runner: Runner, share: bool) -> None:
        if backbone := text_backbone(runner):
            backbone.share_classes = share
