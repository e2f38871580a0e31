"""Normalisation that follows the CLIP."""
from __future__ import annotations

from collections.abc import Mapping

import torch
from mmpretrain.models.utils import ClsDataPreprocessor

from dept_mm.models.clip import clip_spec
from dept_mm.registry import MODELS


@MODELS.register_module()
class CLIPDataPreprocessor(ClsDataPreprocessor):
    """MMPretrain's preprocessor with the channel statistics of a CLIP.

    Inputs that are features ``(B, D)`` already pass through; see
    ``StoredFeatures``.

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
        """Normalise images, and move everything to the device."""
        inputs = data['inputs']
        if inputs[0].ndim != 1:
            return super().forward(data, training)
        features = (inputs if isinstance(inputs, torch.Tensor)
                    else torch.stack(tuple(inputs)))
        # No image in their place: labels are treated as always.
        none = features.new_empty(0, 3, 1, 1)
        packed = super().forward(dict(data, inputs=none), training)
        return dict(packed, inputs=self.cast_data(features))
