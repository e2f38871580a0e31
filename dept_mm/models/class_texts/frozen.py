"""Class texts of the CLIP without prompts."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dept_mm.models.clip import FrozenCLIP
from dept_mm.structures import Vocabulary


class FrozenText:
    """Features of hand-written sentences, computed once per class list.

    A plain class: it has nothing to learn and nothing to save.

    Args:
        templates (str | Sequence[str], optional): Sentences; of several,
            un-normalised features are averaged, as in the code of PromptSRC.
            Defaults to the vocabulary's.
    """

    def __init__(self, templates: str | Sequence[str] | None = None) -> None:
        if isinstance(templates, str):
            templates = (templates, )
        self.templates = templates
        self._kept_for: tuple | None = None
        self._kept: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 labels: Sequence[int]) -> Tensor:
        """Un-normalised ``(C, D)`` of the classes with these labels.

        They are kept until vocabulary or device change.
        """
        kept_for = vocabulary, clip.model.logit_scale.device
        if self._kept_for != kept_for:
            self._kept_for, self._kept = kept_for, {}
        labels = tuple(labels)
        if labels not in self._kept:
            self._kept[labels] = self._encode(
                clip, [vocabulary.names[label] for label in labels],
                self.templates or vocabulary.templates)
        return self._kept[labels]

    @staticmethod
    @torch.no_grad()
    def _encode(clip: FrozenCLIP, names: Sequence[str],
                templates: Sequence[str]) -> Tensor:
        # What is kept must not depend on who asked first.
        device = clip.model.logit_scale.device
        with torch.autocast(device.type, enabled=False):
            texts = [clip.encode_text(clip.tokenize(names, template)).float()
                     for template in templates]
        return sum(texts) / len(texts)
