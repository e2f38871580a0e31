"""A hook that lets training steps score a sample of the classes."""
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.engine.hooks._model import text_backbone
from dept_mm.errors import DeptError
from dept_mm.models.class_texts import ClassSample
from dept_mm.registry import HOOKS


@HOOKS.register_module()
class ClassSampleHook(Hook):
    """Lets each training step score its images among a sample of the classes.

    The class-wise skipping of "Skip Tuning" (Wu et al., CVPR 2025), for any
    prompt learner and loss: classes that are like the images are kept, the
    others seldom. Fewer texts are encoded in a step. In a distributed run
    each process has a sample for its own images, and encodes it alone.

    Config::

        custom_hooks = [dict(type='ClassSampleHook', share=0.5, most=50)]

    Args:
        share, most, scale: See ``ClassSample``.

    Raises:
        DeptError: If an option is out of range, or the model encodes no
            classes.
    """

    def __init__(self, share: float = .5, most: int = 50, scale: float = .3
                 ) -> None:
        self.options = dict(share=share, most=most, scale=scale)
        ClassSample(**self.options)

    def before_train(self, runner: Runner) -> None:
        """Start sampling."""
        backbone = text_backbone(runner)
        if backbone is None:
            raise DeptError('ClassSampleHook samples classes, but the model '
                            'encodes none: it needs a PromptedCLIP with a '
                            'vocabulary.')
        backbone.texts.sample = ClassSample(**self.options,
                                            seed=runner.seed or 0)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | None = None) -> None:
        """Tell which classes the batch has."""
        text_backbone(runner).texts.sample.targets = torch.cat([
            sample.gt_label for sample in data_batch['data_samples']])

    def after_train(self, runner: Runner) -> None:
        """Stop sampling."""
        text_backbone(runner).texts.sample = None
