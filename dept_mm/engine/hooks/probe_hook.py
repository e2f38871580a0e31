"""A hook that fits a probe on the features of the training images."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from dept_mm.engine.hooks._collect import (
    build_validation,
    check_views,
    collect,
)
from dept_mm.engine.hooks._model import require_neck
from dept_mm.errors import DeptError
from dept_mm.models.probes import BaseProbe
from dept_mm.registry import HOOKS
from dept_mm.structures import CLIPFeatures


@HOOKS.register_module()
class ProbeHook(Hook):
    """Fits a probe (``BaseProbe``) when training starts.

    The images of the training split and, unless ``search=False``, of the
    validation split in the same few-shot draw go through the backbone once.
    Hyper-parameters are searched on validation images only. A probe that was
    loaded from a checkpoint is kept.

    Config::

        custom_hooks = _base_.custom_hooks + [
            dict(type='ProbeHook', pipeline=_base_.test_pipeline)]

    Args:
        pipeline (Sequence[dict], optional): Transforms of the validation
            images, usually ``_base_.test_pipeline``. Only ``search=False``
            allows None.
        views (int): Number of passes over the training images, with the
            training pipeline; each pass gives images of its own. Defaults to
            1.
        search (bool): Whether to use validation images. Defaults to True.
        batch_size (int): Images per batch in these passes. Defaults to 100.

    Raises:
        DeptError: If there is no validation split, or the model has no probe.
    """
    # Runs before EMAHook, which copies buffers after each iteration.
    priority = 'ABOVE_NORMAL'

    def __init__(self, pipeline: Sequence[dict] | None = None,
                 views: int = 1, search: bool = True, batch_size: int = 100
                 ) -> None:
        if search and pipeline is None:
            raise DeptError('ProbeHook searches on validation images: give '
                            'pipeline=_base_.test_pipeline, or search=False.')
        self.pipeline = pipeline
        self.views = views
        self.search = search
        self.batch_size = batch_size

    def before_train(self, runner: Runner) -> None:
        """Collect features and fit, unless a checkpoint was loaded."""
        probe = require_neck(
            runner, BaseProbe, 'ProbeHook: the model has no probe as its '
            "neck, such as neck=dict(type='GDAProbe', ...).")
        validation = self._build_validation(runner) if self.search else None
        if probe.is_fitted:
            runner.logger.info('The probe of the checkpoint is used.')
            return
        dataset = runner.train_dataloader.dataset
        check_views('ProbeHook', dataset, self.views)
        classes: list[CLIPFeatures] = []

        def read(feats: CLIPFeatures) -> Tensor:
            classes[:] = [feats]
            return feats.image

        images, ids = collect(runner, dataset, read, probe.width,
                              self.batch_size, 'Probe', self.views)
        labels = torch.tensor(probe.find_rows(ids) * self.views,
                              device=images.device)
        held_out = None
        if validation is not None:
            found, ids = collect(runner, validation, read, probe.width,
                                 self.batch_size, 'Probe')
            held_out = found[0], torch.tensor(probe.find_rows(ids),
                                              device=found.device)
        feats, = classes
        columns, rows = probe.match(feats)
        texts = torch.empty_like(feats.text[..., columns, :])
        texts[..., rows, :] = feats.text[..., columns, :]
        probe.fit(images.flatten(0, 1), labels, texts, held_out,
                  float(feats.logit_scale))
        for value in probe.buffers():  # kernels of two GPUs may differ
            broadcast(value)

    def _build_validation(self, runner: Runner):
        return build_validation(
            runner, self.pipeline,
            "ProbeHook needs a data set with split='val' to search on; give "
            'search=False to keep the numbers of the config.')
