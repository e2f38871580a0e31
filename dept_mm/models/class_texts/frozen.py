"""Class texts encoded by the CLIP without prompts."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.class_texts.sentences import ClassSentences
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.utils.kept import Kept
from dept_mm.structures import Vocabulary


class FrozenText:
    """Encode hand-written sentences, once for each class list.

    A plain class: it has nothing to learn and nothing to save.

    Args:
        templates (str | Sequence[str], optional): Sentences; of several,
            un-normalised features are averaged, as in the code of PromptSRC.
            Defaults to the vocabulary's.
        sentences (Mapping | str | ClassSentences, optional): Sentences of
            each class in place of templates, whose un-normalised features
            are averaged; see ``ClassSentences``. Defaults to none.

    Raises:
        DeptError: If both are given, or the sentences are malformed.
    """

    def __init__(self, templates: str | Sequence[str | None] | None = None,
                 sentences: Mapping | str | ClassSentences | None = None
                 ) -> None:
        if templates is not None and sentences is not None:
            raise DeptError("Give 'templates' or 'sentences', not both.")
        if isinstance(sentences, (Mapping, str)):
            sentences = ClassSentences(sentences)
        self.sentences = sentences
        if isinstance(templates, str):
            templates = (templates, )
        self.templates = templates
        self._kept = Kept()

    @torch.no_grad()
    def __call__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 labels: Sequence[int]) -> Tensor:
        """Encode the classes with these labels to un-normalised ``(C, D)``."""
        labels = tuple(labels)
        device = clip.logit_scale.device
        # What is kept must not depend on who asked first.
        with torch.autocast(device.type, enabled=False):
            known = self._kept.get(dict, key=vocabulary,
                                   frozen=clip.text_weights)
            if labels not in known:
                known[labels] = self._encode(
                    clip, [vocabulary.names[label] for label in labels],
                    self.templates or vocabulary.templates)
        return known[labels]

    def check(self, clip: FrozenCLIP, names: Sequence[str]) -> None:
        """Raise a ``DeptError`` if the sentences do not serve these classes:
        some are missing or too long."""
        if self.sentences is not None:
            self.sentences.check(clip, names)

    def _encode(self, clip: FrozenCLIP, names: Sequence[str],
                templates: Sequence[str]) -> Tensor:
        if self.sentences is not None:
            return self.sentences.encode(clip, names, normalize=False).float()
        texts = [clip.encode_text(clip.tokenize(names, template)).float()
                 for template in templates]
        return sum(texts) / len(texts)
