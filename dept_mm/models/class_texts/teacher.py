"""The CLIP without prompts as a teacher for loss terms."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dept_mm.models.class_texts.frozen import FrozenText
from dept_mm.models.clip import FrozenCLIP
from dept_mm.registry import MODELS
from dept_mm.structures import (
    ImageFeatures,
    LowerStates,
    Prompts,
    TeacherFeatures,
    Vocabulary,
)


class Teacher:
    """Compute features of the frozen CLIP that loss terms compare with.

    A plain class: it has nothing to learn and nothing to save.

    Args:
        templates (str | Sequence[str], optional): Sentences for the class
            texts; see ``FrozenText``. Defaults to the vocabulary's.
        image (bool): Whether to encode the images as well, by one more pass
            of the image tower: a view of their own where the batch has one,
            see ``TeacherView``. Defaults to False.
        sentences (Mapping | str, optional): Sentences of each class in place
            of templates; see ``FrozenText``. Defaults to none.
        draw (bool): Whether each batch is compared with one sentence of each
            class, drawn anew; see ``FrozenText``. Defaults to False.
    """

    def __init__(self, templates: str | Sequence[str | None] | None = None,
                 image: bool = False,
                 sentences: Mapping | str | None = None,
                 draw: bool = False) -> None:
        self.text = FrozenText(templates, sentences, draw)
        self.image = image

    def check(self, clip: FrozenCLIP, vocabulary: Vocabulary) -> None:
        """Raise a ``DeptError`` if it cannot teach these base classes."""
        self.text.check(clip, [
            vocabulary.names[label] for label in vocabulary.base_labels])

    @torch.no_grad()
    def __call__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 images: Tensor | ImageFeatures) -> TeacherFeatures:
        """Encode the base classes, once, and the images of a batch, unless
        :meth:`outputs` of them are given."""
        text = self.text(clip, vocabulary, vocabulary.base_labels)
        image = None
        if self.image:
            image = (images.feature if isinstance(images, ImageFeatures)
                     else self.outputs(clip, vocabulary, images))
        return TeacherFeatures(text, image)

    @torch.no_grad()
    def outputs(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                images: Tensor) -> Tensor:
        """Return what it makes of images alone: features ``(B, D)``."""
        return clip.encode_image(images)

    def describe_outputs(self, vocabulary: Vocabulary) -> dict:
        """Return what :meth:`outputs` depends on beside the CLIP: nothing."""
        return dict()


def build_teacher(teacher: Mapping) -> Teacher:
    """Build the teacher of a config: without a ``type`` a :class:`Teacher`,
    else one that is registered and has its methods, such as ``TunedTeacher``.
    """
    return MODELS.build(dict(teacher)) if 'type' in teacher else Teacher(
        **teacher)


def share_blocks(clip: FrozenCLIP, prompts: Prompts, teacher: Teacher | None,
                 images: Tensor | ImageFeatures
                 ) -> Tensor | ImageFeatures | LowerStates:
    """Run blocks of the image tower once where the model and its teacher see
    the same images and nothing learned enters these blocks.

    Args:
        clip (FrozenCLIP): Whose tower both use.
        prompts (Prompts): Of the model.
        teacher (Teacher, optional): A teacher of another class has a CLIP of
            its own, and needs the images.
        images (Tensor | ImageFeatures): What both see.

    Returns:
        Tensor | ImageFeatures | LowerStates: What both go on from.
    """
    if (not isinstance(teacher, Teacher) or not teacher.image
            or not isinstance(images, Tensor)):
        return images
    return clip.image_tower.below(images, prompts)
