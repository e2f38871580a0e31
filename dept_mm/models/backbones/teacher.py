"""The CLIP without prompts, as a teacher."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dept_mm.models.clip import FrozenCLIP
from dept_mm.structures import TeacherFeatures, Vocabulary


class Teacher:
    """What the frozen CLIP says of the base classes and of a batch.

    A plain class: it has nothing to learn and nothing to save.

    Args:
        templates (str | Sequence[str], optional): Sentences for the class
            texts; of several, un-normalised features are averaged, as in the
            code of PromptSRC. Defaults to the vocabulary's.
        image (bool): Whether to encode the images as well, by one more pass
            of the image tower. Defaults to False.
    """

    def __init__(self, templates: str | Sequence[str] | None = None,
                 image: bool = False) -> None:
        if isinstance(templates, str):
            templates = (templates, )
        self.templates = templates
        self.image = image
        self._known: tuple | None = None

    @torch.no_grad()
    def __call__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 images: Tensor) -> TeacherFeatures:
        """Texts of the base classes, computed once, and of ``images``."""
        key = vocabulary, images.device
        if self._known is None or self._known[0] != key:
            self._known = key, self._text(clip, vocabulary)
        image = clip.encode_image(images) if self.image else None
        return TeacherFeatures(self._known[1], image)

    def _text(self, clip: FrozenCLIP, vocabulary: Vocabulary) -> Tensor:
        """``(C, D)``."""
        names = [vocabulary.names[i] for i in vocabulary.base_labels]
        texts = [clip.encode_text(clip.tokenize(names, template)).float()
                 for template in self.templates or vocabulary.templates]
        return sum(texts) / len(texts)
