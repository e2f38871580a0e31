"""Normalise images as the CLIP expects them."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmpretrain.models.utils import ClsDataPreprocessor
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.clip import clip_spec
from dept_mm.registry import MODELS
from dept_mm.structures import (
    AugmentedViews,
    ImageFeatures,
    LowerStates,
    Views,
)


@MODELS.register_module()
class CLIPDataPreprocessor(ClsDataPreprocessor):
    """Normalise images by the channel statistics of a CLIP.

    ``ImageFeatures`` and ``LowerStates`` pass through, see
    ``StoredFeatures``; of ``Views`` both
    are normalised, see ``TeacherView``, and of ``AugmentedViews`` all, see
    ``AugmentViews``.

    Args:
        clip (Mapping): Config of the CLIP, as in ``PromptedCLIP``.
        **kwargs: Of ``ClsDataPreprocessor``.
    """

    def __init__(self, clip: Mapping, **kwargs) -> None:
        spec = clip_spec(clip)
        super().__init__(
            mean=[255 * m for m in spec.mean],  # images come as 0..255
            std=[255 * s for s in spec.std],
            to_rgb=True,  # MMPretrain's pipelines load BGR
            **kwargs)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise images, and move everything to the device.

        Raises:
            DeptError: If images are to be mixed of which the teacher has a
                view.
        """
        inputs = data['inputs']
        if isinstance(inputs, ImageFeatures):
            stored = ImageFeatures(self._stack(inputs.feature))
            return self._without_images(data, stored, training)
        if isinstance(inputs, LowerStates):
            # Collated, there is a number for each sample, always the same.
            stored = LowerStates(int(inputs.blocks[0]),
                                 self._stack(inputs.hidden))
            return self._without_images(data, stored, training)
        if isinstance(inputs, Views):
            return self._views(data, inputs, training)
        if isinstance(inputs, AugmentedViews):
            return self._augmented(data, inputs, training)
        return super().forward(data, training)

    def _without_images(self, data: dict, stored: Any, training: bool
                        ) -> dict:
        """Prepare what is beside the images, such as labels, as always."""
        none = torch.empty(0, 3, 1, 1)
        packed = super().forward(dict(data, inputs=none), training)
        return dict(packed, inputs=stored)

    def _stack(self, rows: Tensor | Sequence[Tensor]) -> Tensor:
        """Stack what is stored of each image, as it is, on the device."""
        if not isinstance(rows, Tensor):
            rows = torch.stack(tuple(rows))
        return self.cast_data(rows)

    def _views(self, data: dict, views: Views, training: bool) -> dict:
        if training and self.batch_augments is not None:
            raise DeptError('CLIPDataPreprocessor: batch_augments mixes '
                            "images, but not the teacher's views of them "
                            '(TeacherView). Leave one of the two out.')
        packed = super().forward(dict(data, inputs=views.image), training)
        if isinstance(views.teacher, ImageFeatures):
            teacher = ImageFeatures(self._stack(views.teacher.feature))
        else:
            teacher = super().forward(dict(inputs=views.teacher))['inputs']
        return dict(packed, inputs=Views(packed['inputs'], teacher))

    def _augmented(self, data: dict, views: AugmentedViews, training: bool
                   ) -> dict:
        packed = super().forward(dict(data, inputs=views.image), training)
        flat = [image for views in views.augmented for image in views]
        augmented = super().forward(dict(inputs=flat))['inputs']
        augmented = augmented.unflatten(0, (len(views.augmented), -1))
        return dict(packed, inputs=AugmentedViews(packed['inputs'],
                                                  augmented))
