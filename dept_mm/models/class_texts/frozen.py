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
        draw (bool): Whether each call draws one sentence of each class, the
            same one of all where they have equally many, in place of their
            mean (CoPrompt). Defaults to False.

    Raises:
        DeptError: If both are given, the sentences are malformed, or there
            are none to draw from.
    """

    def __init__(self, templates: str | Sequence[str | None] | None = None,
                 sentences: Mapping | str | ClassSentences | None = None,
                 draw: bool = False) -> None:
        if templates is not None and sentences is not None:
            raise DeptError("Give 'templates' or 'sentences', not both.")
        if draw and sentences is None:
            raise DeptError("'draw' takes one of several 'sentences' of each "
                            "class: give 'sentences'.")
        self.draw = draw
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
        found = known[labels]
        if not self.draw:
            return found
        drawn = int(torch.randint(2**31, ()))
        return torch.stack([own[drawn % len(own)] for own in found])

    def check(self, clip: FrozenCLIP, names: Sequence[str]) -> None:
        """Raise a ``DeptError`` if the sentences do not serve these classes:
        some are missing or too long."""
        if self.sentences is not None:
            self.sentences.check(clip, names)

    def _encode(self, clip: FrozenCLIP, names: Sequence[str],
                templates: Sequence[str]) -> Tensor | list[Tensor]:
        if self.draw:
            return [own.float()
                    for own in self.sentences.encode_each(clip, names)]
        if self.sentences is not None:
            return self.sentences.encode(clip, names, normalize=False).float()
        texts = [clip.encode_text(clip.tokenize(names, template)).float()
                 for template in templates]
        return sum(texts) / len(texts)
