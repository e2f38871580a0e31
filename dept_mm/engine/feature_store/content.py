"""What the feature store holds of each image."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.backbones import PromptedCLIP
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.utils.data_preprocessor import CLIPDataPreprocessor
from dept_mm.structures import (
    ImageFeatures,
    LowerStates,
    Views,
    Vocabulary,
)


class Content(NamedTuple):
    """A part of a model that no training changes, and what it gives.

    Attributes:
        encode (Callable): Maps normalised images ``(B, 3, H, W)`` to what is
            stored of each, ``(B, ...)``.
        wrap (Callable): Makes a model's input of what is stored.
        key (dict): What it depends on beside images and image tower, in JSON
            types.
        of_teacher (bool): Whether a teacher gives it, which sees training
            images only. The model needs the images as well.
    """
    encode: Callable[[Tensor], Tensor]
    wrap: Callable[[Tensor], Any] = ImageFeatures
    key: dict = {}
    of_teacher: bool = False

    def join(self, images: Tensor, rows: Tensor) -> Any:
        """Make a model's input of a batch and what is stored of it."""
        stored = self.wrap(rows)
        return Views(images, stored) if self.of_teacher else stored


def choose_content(backbone: PromptedCLIP,
                   vocabulary: Vocabulary | None = None) -> Content:
    """Choose what can be stored for the training of a model with this part.

    That is the first of these that it has: what a teacher makes of the
    images, features of the image tower where nothing learned enters it, or
    hidden states before the block that something learned enters.

    Args:
        backbone (PromptedCLIP): The part.
        vocabulary (Vocabulary, optional): The classes that a teacher scores.
            Defaults to those of the backbone.

    Raises:
        DeptError: If there is nothing that training leaves as it is.
    """
    clip, teacher, learner = backbone.clip, backbone.teacher, backbone.prompt
    if teacher is not None and teacher.image:
        vocabulary = vocabulary or backbone.vocabulary
        return Content(
            partial(teacher.outputs, clip, vocabulary),
            key=dict(teacher=teacher.describe_outputs(vocabulary)),
            of_teacher=True)
    if backbone.local:
        raise refusal('features of patches are not stored (local)')
    if backbone.tpt is not None:
        raise refusal('prompts are tuned on views of each image (tpt)')
    if learner is None or learner.for_image().empty:
        return image_features(clip)
    blocks = clip.image_tower.count_below(learner.for_image())
    if not blocks:
        raise refusal(f'{type(learner).__name__} changes the first block of '
                      'the image tower, so image features change in training')
    return Content(
        lambda images: clip.image_tower.below(
            images, learner.for_image()).hidden,
        partial(LowerStates, blocks), dict(blocks=blocks))


def image_features(clip: FrozenCLIP) -> Content:
    """Return the content of features ``(B, D)`` of the image tower."""
    return Content(clip.encode_image)


def check_parts(model: nn.Module) -> None:
    """Refuse a model that is not made of this package's parts.

    Raises:
        DeptError: If its backbone or its preprocessor is of another kind.
    """
    backbone = getattr(model, 'backbone', model)
    if not isinstance(backbone, PromptedCLIP):
        raise refusal('only the image tower of a PromptedCLIP is known not '
                      f'to change; this is a {type(backbone).__name__}')
    if not isinstance(model.data_preprocessor, CLIPDataPreprocessor):
        raise refusal("the model needs data_preprocessor=dict(type='CLIP"
                      "DataPreprocessor', clip=...), which leaves features "
                      'as they are')


def refusal(why: str) -> DeptError:
    """Make the error that says why nothing can be stored."""
    return DeptError(f'Image features cannot be stored: {why}. Change that, '
                     'or run without --cache-features (FeatureStoreHook).')
