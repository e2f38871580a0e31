"""A hook that fills Tip-Adapter's cache and searches its two numbers."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import Dataset

from dept_mm.engine.hooks._collect import (
    build_validation,
    check_views,
    collect,
)
from dept_mm.engine.hooks._model import require_neck
from dept_mm.errors import DeptError
from dept_mm.models.necks import TipAdapter
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import HOOKS
from dept_mm.structures import CLIPFeatures

ALPHA_STEPS, BETA_STEPS = 20, 200


@HOOKS.register_module()
class TipAdapterHook(Hook):
    """Fills the cache of a ``TipAdapter`` and searches its alpha and beta.

    Tip-Adapter keeps the features of the training images as keys of a cache.
    When training starts, the training images go through the backbone ``views``
    times with the training pipeline, and their mean features become the keys.
    A cache that was loaded from a checkpoint is kept. ``UnreadableImagesHook``
    reports images that could not be read for it.

    Alpha and beta are searched when the keys are final: after the last
    iteration, before the checkpoint is saved, or at once if nothing is
    trained. The hook chooses the pair that classifies most images of the base
    classes correctly on the *validation* split, in the few-shot draw of the
    training images. It never uses test images, on which the paper's code
    searches for ImageNet. Logits are similarities plus the cache's bonus,
    without a second head. As in the paper, the grid has 200 values of beta and
    20 of alpha in equal steps from 0.1 on, without the maximum. Among equally
    good pairs, the one with the smaller beta and then the smaller alpha is
    chosen. Missing validation images are an error before training starts.

    Config::

        custom_hooks = _base_.custom_hooks + [
            dict(type='TipAdapterHook', pipeline=_base_.test_pipeline)]

    Args:
        pipeline (Sequence[dict], optional): Transforms of the validation
            images, usually ``_base_.test_pipeline``. Only ``search=False``
            allows None.
        views (int): Number of passes over the training images. Defaults to 10.
        search (bool): Whether to search; False keeps the numbers of the
            config. Defaults to True.
        max_alpha (float): End of the grid of alpha. Defaults to 3.0.
        max_beta (float): End of the grid of beta. Defaults to 7.0.
        batch_size (int): Images per batch in these passes. Defaults to 100.

    Raises:
        DeptError: If there is no validation split to search on, or if the
            model's neck is not a ``TipAdapter``.
    """
    # Runs before EMAHook, which copies buffers after each iteration.
    priority = 'ABOVE_NORMAL'

    def __init__(self, pipeline: Sequence[dict] | None = None,
                 views: int = 10, search: bool = True, max_alpha: float = 3.,
                 max_beta: float = 7., batch_size: int = 100) -> None:
        if search and pipeline is None:
            raise DeptError('TipAdapterHook searches on validation images: '
                            'give pipeline=_base_.test_pipeline, or '
                            'search=False.')
        self.pipeline = pipeline
        self.views = views
        self.search = search
        self.max_alpha = max_alpha
        self.max_beta = max_beta
        self.batch_size = batch_size
        self._validation: Dataset | None = None

    def before_train(self, runner: Runner) -> None:
        """Fill the cache, and search at once if nothing is trained."""
        neck = _get_neck(runner)
        if self.search:
            self._validation = build_validation(
                runner, self.pipeline,
                "TipAdapterHook needs a data set with split='val' to search "
                'alpha and beta on; give search=False to keep those of '
                'TipAdapter.')
        if neck.is_filled:
            runner.logger.info('Tip-Adapter: the cache of the checkpoint is '
                               'used.')
            return
        dataset = runner.train_dataloader.dataset
        check_views('TipAdapterHook', dataset, self.views)
        image, ids = collect(
            runner, dataset, lambda feats: feats.image, neck.keys.shape[-1],
            self.batch_size, 'Tip-Adapter', self.views)
        neck.fill(image.mean(0), ids)
        if not any(p.requires_grad for p in runner.model.parameters()):
            self._search_numbers(runner, neck)

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Search after the last iteration."""
        if self.is_last_train_iter(runner):
            self._search_numbers(runner, _get_neck(runner))

    def _search_numbers(self, runner: Runner, neck: TipAdapter) -> None:
        if self._validation is None:
            return
        size, width = len(neck.class_ids), neck.keys.shape[-1]

        def read(feats: CLIPFeatures) -> Tensor:
            columns, rows = neck.match(feats)
            logits = feats.image.new_zeros(len(feats.image), size).float()
            logits[:, rows] = similarity(
                feats.image, feats.text[..., columns, :], feats.logit_scale,
                feats.per_image)
            return torch.cat([logits, feats.image.float()], 1)

        found, ids = collect(runner, self._validation, read, size + width,
                             self.batch_size, 'Tip-Adapter')
        logits, image = found[0].split([size, width], 1)
        target = logits.new_tensor([neck.class_ids.index(i) for i in ids])
        right = search_grid(neck, logits, image, target, self.max_alpha,
                            self.max_beta)
        runner.logger.info(
            f'Tip-Adapter: alpha {neck.alpha:.3f} and beta '
            f'{neck.beta:.3f} are best on {len(ids)} validation images of '
            f'base classes, with {100 * right / len(ids):.2f} % correct.')


@torch.no_grad()
def search_grid(neck: TipAdapter, logits: Tensor, image: Tensor,
                target: Tensor, max_alpha: float, max_beta: float) -> int:
    """Set alpha and beta to the pair that classifies most images correctly.

    Args:
        neck (TipAdapter): A neck whose cache of ``K`` classes is
            filled.
        logits (Tensor): ``(N, K)`` similarities of the images with its
            classes.
        image (Tensor): ``(N, D)`` image features.
        target (Tensor): ``(N, )`` rows of the correct classes.
        max_alpha, max_beta (float): Ends of the grid.

    Returns:
        int: Number of images that are classified correctly.
    """
    alphas = _make_grid(max_alpha, ALPHA_STEPS).to(logits)
    betas = _make_grid(max_beta, BETA_STEPS).to(logits)
    affinity = neck.compute_affinity(image)
    right = []
    for beta in betas:  # all at once would take 200 times the memory
        bonus = alphas[:, None, None] * neck.compute_votes(affinity, beta)
        best = (logits + bonus).argmax(2)
        right.append((best == target).sum(1))
    right = torch.stack(right)
    first = int(right.flatten().argmax())  # among equally good pairs
    neck.beta.copy_(betas[first // ALPHA_STEPS])
    neck.alpha.copy_(alphas[first % ALPHA_STEPS])
    return int(right.max())


def _make_grid(end: float, steps: int) -> Tensor:
    """Return ``steps`` equally spaced values from 0.1 up to, but without,
    ``end``."""
    return 0.1 + torch.arange(steps) * ((end - 0.1) / steps)


def _get_neck(runner: Runner) -> TipAdapter:
    return require_neck(
        runner, TipAdapter, 'TipAdapterHook: the model has no '
        "neck=dict(type='TipAdapter', ...).")
