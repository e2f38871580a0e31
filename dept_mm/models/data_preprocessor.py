"""Normalisation that follows the CLIP."""
from __future__ import annotations

from collections.abc import Mapping

from mmpretrain.models.utils import ClsDataPreprocessor

from dept_mm.models.clip import clip_spec
from dept_mm.registry import MODELS


@MODELS.register_module()
class CLIPDataPreprocessor(ClsDataPreprocessor):
    """MMPretrain's preprocessor with the channel statistics of a CLIP.

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
