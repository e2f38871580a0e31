"""Class texts before and after tuning, for distance-aware calibration."""
from __future__ import annotations

import torch
from mmpretrain.models import ImageClassifier
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.class_texts import FrozenText


def encode_texts(module: ImageClassifier, base: bool = False
                 ) -> tuple[Tensor, Tensor]:
    """Encode the classes that a model scores, or its base classes alone.

    Returns:
        tuple[Tensor]: Texts of the model and of its frozen CLIP, ``(C, D)``.

    Raises:
        DeptError: If the model has no class texts, or other ones for each
            image.
    """
    backbone = module.backbone
    known = getattr(backbone, 'vocabulary', None)
    if known is None:
        raise DeptError('Distance-aware calibration compares texts of '
                        'classes, and the model has none.')
    images = backbone.clip.logit_scale.new_zeros(
        1, backbone.clip.spec.embed_dim)
    with torch.inference_mode():
        text = backbone.text_features(images)
        frozen = FrozenText()(backbone.clip, known, range(len(known)))
    if text.ndim == 3:
        raise DeptError('Distance-aware calibration needs one text of each '
                        'class, but the model has other ones for each image.')
    rows = known.base_labels if base else slice(None)
    return text[rows], frozen[rows]
