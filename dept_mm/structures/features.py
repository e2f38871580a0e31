"""The features that a prompted CLIP passes to a head."""
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class TeacherFeatures(NamedTuple):
    """Un-normalised features of the frozen CLIP without prompts (the teacher),
    or of a tuned model, whose width ``D`` may be another.

    Attributes:
        text (Tensor): Features ``(C, D)`` of hand-written sentences.
        image (Tensor, optional): Features ``(B, D)`` of the batch's images.
        logits (Tensor, optional): A tuned model's logits ``(B, C)``.
    """
    text: Tensor
    image: Tensor | None
    logits: Tensor | None = None

    def among(self, labels: list[int], known: list[int]) -> TeacherFeatures:
        """Return what belongs to some of the classes that are known here."""
        if labels == known:
            return self
        rows = [known.index(label) for label in labels]
        logits = self.logits if self.logits is None else self.logits[:, rows]
        return self._replace(text=self.text[rows], logits=logits)


class CLIPFeatures(NamedTuple):
    """Un-normalised features of ``B`` images and ``C`` classes.

    ``image`` comes last because MMPretrain's heads read ``feats[-1]``. Every
    stock head therefore works on this tuple.

    Attributes:
        text (Tensor, optional): Class texts ``(C, D)``, or ``(B, C, D)`` if
            prompts depend on the image. None without a vocabulary.
        labels (Tensor, optional): Label of each row of ``text``, ``(C, )``.
            Labels index ``ids``.
        ids (tuple[str], optional): Identities of all classes that labels
            refer to; see ``Vocabulary``.
        logit_scale (Tensor): CLIP's frozen scale, already exponentiated.
        teacher (TeacherFeatures, optional): Features of the frozen CLIP, to
            which loss terms compare. Present in training only.
        bonus (Tensor, optional): Numbers ``(B, C)`` that a neck or learner
            adds to the similarity logits.
        extra (Mapping[str, Tensor], optional): What a learner adds for a
            loss or head that knows it; see ``BasePrompt.change_features``.
            ``'local'`` are features of patches ``(B, P, D)``, with
            ``PromptedCLIP(local=True)``.
        image (Tensor): Image features ``(B, D)``.
    """
    text: Tensor | None
    labels: Tensor | None
    ids: tuple[str, ...] | None
    logit_scale: Tensor
    teacher: TeacherFeatures | None
    bonus: Tensor | None
    extra: Mapping[str, Tensor] | None
    image: Tensor

    @property
    def per_image(self) -> bool:
        """Whether each image has class texts of its own."""
        return self.text is not None and self.text.ndim == 3

    def text_of(self, rows: Tensor) -> Tensor:
        """Texts ``(B, D)`` of one class for each image, given its row of
        ``text``, ``(B, )``."""
        if not self.per_image:
            return self.text[rows]
        return self.text[torch.arange(len(rows), device=rows.device), rows]
