"""The cache of Tip-Adapter, and the search of its two numbers."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmengine.dist import all_reduce, get_dist_info
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dept_mm.datasets import EpochIndex, StoredFeatures
from dept_mm.engine.hooks._model import unwrapped_model
from dept_mm.errors import DeptError
from dept_mm.models.necks import TipAdapter
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import DATASETS, HOOKS
from dept_mm.structures import CLIPFeatures, Vocabulary

ALPHA_STEPS, BETA_STEPS = 20, 200


@HOOKS.register_module()
class TipAdapterHook(Hook):
    """Fills the cache of a ``TipAdapter`` and searches alpha and beta.

    When training starts, the training images go through the backbone
    ``views`` times with the pipeline of training, and their mean features
    become the keys. A cache that came from a checkpoint stays as it is.

    Once the keys are final (after the last iteration, before the checkpoint;
    at once where nothing is trained), the pair that is most often right on
    the base classes of the *validation* split is chosen, in the few-shot draw
    of the training images; never by test images, with which the paper's code
    does it on ImageNet. Logits are similarities plus bonus, without a second
    head. The grid is the paper's: 200 values of beta and 20 of alpha in equal
    steps from 0.1 on, short of the maximum; of equally good pairs the one
    with the smaller beta, then alpha. Validation images that are missing are
    an error before training starts.

    Args:
        pipeline (Sequence[dict], optional): Transforms of the validation
            images, usually ``_base_.test_pipeline``. None with
            ``search=False``.
        views (int): Passes over the training images. Defaults to 10.
        search (bool): Whether to search; False keeps the numbers of the
            config. Defaults to True.
        max_alpha (float): End of the grid. Defaults to 3.0.
        max_beta (float): End of the grid. Defaults to 7.0.
        batch_size (int): Images per batch in these passes. Defaults to 100.

    Raises:
        DeptError: If there is nothing to search with, or the model's neck is
            no ``TipAdapter``.
    """
    # Before EMAHook, which copies buffers after each iteration.
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
        """Fill the cache; search at once if the keys stay."""
        neck = _neck(runner)
        if self.search:
            self._validation = self._build_validation(runner)
        if neck.is_filled:
            runner.logger.info('Tip-Adapter: the cache of the checkpoint is '
                               'used.')
            return
        dataset = runner.train_dataloader.dataset
        if isinstance(dataset, StoredFeatures) and (
                len(dataset.views) < self.views):
            raise DeptError(
                f'TipAdapterHook wants {self.views} views of each image, but '
                f'{len(dataset.views)} are stored: --cache-features '
                f'{self.views}.')
        image, ids = self._collect(
            runner, dataset, lambda feats: feats.image,
            neck.keys.shape[-1], self.views)
        neck.fill(image, ids)
        if not any(p.requires_grad for p in runner.model.parameters()):
            self._search(runner, neck)

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch=None, outputs: dict | None = None
                         ) -> None:
        """Search after the last iteration."""
        if self.is_last_train_iter(runner):
            self._search(runner, _neck(runner))

    def _build_validation(self, runner: Runner) -> Dataset:
        """The validation split of the training data set."""
        config = runner.cfg.train_dataloader.dataset
        hint = ("TipAdapterHook needs a data set with split='val' to search "
                'alpha and beta on; give search=False to keep those of '
                'TipAdapter.')
        if 'split' not in config:
            raise DeptError(f'{config.type} has no splits. {hint}')
        try:
            return DATASETS.build(dict(config, split='val', test_mode=True,
                                       pipeline=self.pipeline))
        except DeptError as error:
            raise DeptError(f'{error} {hint}') from error

    def _search(self, runner: Runner, neck: TipAdapter) -> None:
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

        found, ids = self._collect(runner, self._validation, read,
                                   size + width)
        logits, image = found.split([size, width], 1)
        target = logits.new_tensor([neck.class_ids.index(i) for i in ids])
        right = grid_search(neck, logits, image, target, self.max_alpha,
                            self.max_beta)
        runner.logger.info(
            f'Tip-Adapter: alpha {neck.alpha:.3f} and beta '
            f'{neck.beta:.3f} are best on {len(ids)} validation images of '
            f'base classes, with {100 * right / len(ids):.2f} % right.')

    @torch.no_grad()
    def _collect(self, runner: Runner, dataset: Dataset,
                 read: Callable[[CLIPFeatures], Tensor], width: int,
                 views: int = 1) -> tuple[Tensor, list[str]]:
        """What is read of all samples, the same on all processes, of which
        each runs its share.

        Returns:
            tuple: The mean of ``read (B, width)`` over the views of each
            sample, ``(N, width)``, and the identities of the classes.
        """
        model, like = unwrapped_model(runner), runner.train_dataloader
        rank, processes = get_dist_info()
        mine = [EpochIndex(i, runner.seed, view) for view in range(views)
                for i in range(rank, len(dataset), processes)]
        loader = DataLoader(
            dataset, self.batch_size, sampler=mine,
            num_workers=like.num_workers, collate_fn=like.collate_fn,
            worker_init_fn=like.worker_init_fn)
        device = next(model.neck.buffers()).device
        total = torch.zeros(len(dataset), width, device=device)
        label = torch.zeros(len(dataset), dtype=torch.long, device=device)
        training = model.training
        model.eval()
        for start, batch in zip(range(0, len(mine), self.batch_size), loader,
                                strict=True):
            index = torch.tensor(mine[start:start + self.batch_size],
                                 device=device)
            data = model.data_preprocessor(batch)
            feats = model.backbone(data['inputs'])
            total.index_add_(0, index, read(feats).float())
            label[index] = torch.cat(
                [s.gt_label for s in data['data_samples']]).to(device)
        model.train(training)
        all_reduce(total)
        all_reduce(label)
        ids = Vocabulary.from_metainfo(dataset.metainfo).ids
        return total / views, [ids[i] for i in label.tolist()]


@torch.no_grad()
def grid_search(neck: TipAdapter, logits: Tensor, image: Tensor,
                target: Tensor, max_alpha: float, max_beta: float) -> int:
    """Set the alpha and beta with which most images are right.

    Args:
        neck (TipAdapter): With a filled cache of ``K`` classes.
        logits (Tensor): ``(N, K)`` similarities with its classes.
        image (Tensor): ``(N, D)``.
        target (Tensor): ``(N, )`` rows of the right classes.
        max_alpha, max_beta (float): Ends of the grid.

    Returns:
        int: How many images are right.
    """
    alphas = _grid(max_alpha, ALPHA_STEPS).to(logits)
    betas = _grid(max_beta, BETA_STEPS).to(logits)
    affinity = neck.compute_affinity(image)
    right = []
    for beta in betas:  # all at once would take 200 times the memory
        bonus = alphas[:, None, None] * neck.compute_votes(affinity, beta)
        best = (logits + bonus).argmax(2)
        right.append((best == target).sum(1))
    right = torch.stack(right)
    first = int(right.flatten().argmax())  # of equals
    neck.beta.copy_(betas[first // ALPHA_STEPS])
    neck.alpha.copy_(alphas[first % ALPHA_STEPS])
    return int(right.max())


def _grid(end: float, steps: int) -> Tensor:
    """``steps`` values from 0.1 in equal distances, without ``end``."""
    return 0.1 + torch.arange(steps) * ((end - 0.1) / steps)


def _neck(runner: Runner) -> TipAdapter:
    neck = getattr(unwrapped_model(runner), 'neck', None)
    if not isinstance(neck, TipAdapter):
        raise DeptError('TipAdapterHook: the model has no '
                        "neck=dict(type='TipAdapter', ...).")
    return neck
