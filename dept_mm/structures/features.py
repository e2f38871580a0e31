"""What a prompted CLIP hands to a head."""
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class TeacherFeatures(NamedTuple):
    """Features of the frozen CLIP without prompts, un-normalised.

    Attributes:
        text (Tensor): ``(C, D)``, of hand-written sentences.
        image (Tensor, optional): ``(B, D)``, of the same images.
    """
    text: Tensor
    image: Tensor | None


class CLIPFeatures(NamedTuple):
    """Features of a batch, un-normalised; ``B`` images, ``C`` classes.

    ``image`` comes last, because MMPretrain's heads read ``feats[-1]``: every
    stock head runs on this tuple.

    Attributes:
        text (Tensor, optional): ``(C, D)``, or ``(B, C, D)`` where prompts
            depend on the image. None without a vocabulary.
        labels (Tensor, optional): ``(C, )``, the label of each row of
            ``text``. Labels index ``ids``.
        ids (tuple[str], optional): Identities of all classes that labels
            refer to; see ``Vocabulary``.
        logit_scale (Tensor): CLIP's frozen scale, already exponentiated.
        teacher (TeacherFeatures, optional): In training, what consistency
            terms compare with.
        bonus (Tensor, optional): ``(B, C)``, what a cache of training images
            adds to the similarity logits.
        extra (Mapping[str, Tensor], optional): What a learner adds for a
            loss or head that knows it; see ``BasePrompt.change_features``.
        image (Tensor): ``(B, D)``.
    """
    text: Tensor | None
    labels: Tensor | None
    ids: tuple[str, ...] | None
    logit_scale: Tensor
    teacher: TeacherFeatures | None
    bonus: Tensor | None
    extra: Mapping[str, Tensor] | None
    image: Tensor
