"""Serve what is stored of images in place of the images of a data set."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mmpretrain.datasets import PackInputs
from torch import Tensor

from dept_mm.errors import DeptError, UnreadableImage
from dept_mm.registry import DATASETS
from dept_mm.structures import ImageFeatures, Views

from .epoch_sampler import EpochIndex
from .unreadable import load_substitute


@DATASETS.register_module()
class StoredFeatures:
    """A data set whose inputs are stored, ``ImageFeatures`` by default.

    Labels, paths and metainfo are those of another data set, whose images
    are neither loaded nor augmented unless what is stored is a teacher's. A
    row of nan stands for an image that could not be read. As in training on
    images, another sample of the class replaces it.

    Args:
        dataset (dict | Dataset): The data set, or its config.
        views (Sequence[Tensor]): Features ``(N, D)`` of its ``N`` images, or
            another tensor ``(N, ...)``, one per augmentation. Epoch ``e``
            reads view ``e % len(views)`` if an ``EpochSampler`` yields the
            indices, otherwise the first view.
        wrap (Callable): Makes a sample's input of a row. Defaults to
            ``ImageFeatures``.
        of_teacher (bool): Whether a teacher gave what is stored. The inputs
            are then ``Views``: an image as that view has it, and the wrapped
            row. Defaults to False.

    Raises:
        DeptError: If a view has another number of rows than the data set has
            samples, or if its pipeline does not end with ``PackInputs``.
    """

    def __init__(self, dataset: Any, views: Sequence[Tensor],
                 wrap: Callable[[Tensor], Any] = ImageFeatures,
                 of_teacher: bool = False) -> None:
        if isinstance(dataset, dict):
            dataset = DATASETS.build(dataset)
        self.dataset = dataset
        self.wrap, self.of_teacher = wrap, of_teacher
        self.views = list(views)
        self.pack = packer(dataset)
        self.infos = list(sample_infos(dataset))
        wrong = {len(view) for view in views} - {len(self.infos)}
        if wrong or not self.views:
            raise DeptError(f'StoredFeatures: {len(self.infos)} images, but '
                            f'features of {sorted(wrong) or "none"}.')
        for info in self.infos:  # an image in memory stays where it is
            info.pop(self.pack.input_key, None)

    @property
    def metainfo(self) -> dict:
        """Metainfo of the data set."""
        return self.dataset.metainfo

    def get_data_info(self, idx: int) -> dict:
        """Return one sample without its image."""
        return dict(self.infos[idx])

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, idx: int) -> dict:
        try:
            return self._load(idx)
        except UnreadableImage:
            labels = [info.get('gt_label') for info in self.infos]
            return load_substitute(idx, labels, self._load,
                                   self.infos[idx]['img_path'])

    def _load(self, idx: int) -> dict:
        view = getattr(idx, 'epoch', 0) % len(self.views)
        row = self.views[view][int(idx)]
        # Every value of a row: one alone would be an overflow in fp16.
        if row.isnan().all():
            raise UnreadableImage(self.infos[idx]['img_path'])
        if self.of_teacher:
            if isinstance(idx, EpochIndex):
                idx = EpochIndex(idx, idx.seed, view)
            sample = self.dataset[idx]
            image = getattr(sample['inputs'], 'image', sample['inputs'])
            return dict(sample, inputs=Views(image, self.wrap(row)))
        packed = self.pack(dict(self.infos[idx], **{
            self.pack.input_key: row}))
        return dict(packed, inputs=self.wrap(packed['inputs']))


def sample_infos(dataset: Any) -> Iterator[dict]:
    """Yield the samples of a data set before the pipeline runs."""
    return (dataset.get_data_info(i) for i in range(len(dataset)))


def packer(dataset: Any) -> PackInputs:
    """Return the last transform of a data set's pipeline.

    Wrappers such as ``RepeatDataset`` are unwrapped first.

    Raises:
        DeptError: If there is no pipeline, or its last transform is not
            ``PackInputs``.
    """
    inner = dataset
    while not hasattr(inner, 'pipeline'):
        inner = getattr(inner, 'dataset', None) or next(
            iter(getattr(inner, 'datasets', ())), None)
        if inner is None:
            raise DeptError(f'{type(dataset).__name__} has no pipeline: its '
                            'image features cannot be stored.')
    last = inner.pipeline.transforms[-1:]
    if not last or not isinstance(last[0], PackInputs):
        raise DeptError(
            f'{type(inner).__name__}: image features can be stored if the '
            "pipeline ends with dict(type='PackInputs'), not with "
            f'{last}.')
    return last[0]
