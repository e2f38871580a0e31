"""The text side of a prompted CLIP: sentences of classes to features."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.models.class_texts.class_sample import ClassSample
from dept_mm.models.class_texts.frozen import FrozenText
from dept_mm.models.class_texts.sentences import ClassSentences
from dept_mm.models.class_texts.split import in_chunks, over_processes
from dept_mm.models.clip import ClassTokens, FrozenCLIP
from dept_mm.models.prompts import BasePrompt, TextInput
from dept_mm.models.utils.kept import Kept, tensors_of
from dept_mm.structures import Prompts, Vocabulary


class TextClassifier:
    """Encode classes by a frozen CLIP, with a prompt learner or without.

    A plain class: whoever holds it owns the learner.

    Args:
        clip (FrozenCLIP): Encodes the sentences.
        prompt (BasePrompt, optional): The learner. None is zero-shot CLIP.
        templates (str | Sequence[str | None], optional): Templates of
            zero-shot CLIP; None among them, or alone, is the vocabulary's.
        sentences (ClassSentences, optional): Sentences of each class in place
            of the vocabulary's template, or beside the given ``templates``;
            with a learner, those that it reads features of.
        chunk (int, optional): Encode at most so many classes at once.

    Attributes:
        sample (ClassSample, optional): Chooses classes of a training step;
            see ``ClassSampleHook``.
    """
    sample: ClassSample | None = None

    def __init__(self, clip: FrozenCLIP, prompt: BasePrompt | None = None,
                 templates: str | Sequence[str | None] | None = None,
                 sentences: ClassSentences | None = None,
                 chunk: int | None = None) -> None:
        self.clip, self.prompt = clip, prompt
        self.templates = ((templates, ) if isinstance(templates, str)
                          else templates)
        self.sentences = sentences if prompt is None else None
        self.chunk = chunk
        self.vocabulary = None
        self.tokens: dict[str, ClassTokens] = {}  # template -> all classes
        self._subsets = {}
        self._kept = Kept()
        self._frozen_text = FrozenText(
            sentences=None if prompt is None else sentences)

    def set_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Encode these classes from now on.

        Raises:
            DeptError: If a class name is too long for the text tower, or
                its sentences are missing or too long.
        """
        own = vocabulary.templates[0]
        if self.sentences is not None:
            self.sentences.templates = tuple(
                t or own for t in self.templates or ())
            self.sentences.check(self.clip, vocabulary.names)
        self._frozen_text.check(self.clip, vocabulary.names)
        extra = self.prompt.num_context if self.prompt else 0
        self.tokens = {
            template: self.clip.tokenize(vocabulary.names, template, extra)
            for template in self._used_templates(vocabulary)}
        self.vocabulary = vocabulary
        self._subsets = {}

    def _used_templates(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """Return the templates in use, without learned context."""
        if self.sentences is not None:
            return ()
        if self.prompt is None:
            own = vocabulary.templates
            return tuple(t or own[0] for t in self.templates or own)
        return (self.prompt.sentence(vocabulary.templates[0]), )

    def move(self, fn: Callable) -> None:
        """Apply to all tensors what moves a module to a device."""
        self.tokens = {template: tokens.map(fn)
                       for template, tokens in self.tokens.items()}
        self._subsets = {}

    def tokens_of(self, rows: tuple[int, ...]) -> list[ClassTokens]:
        """Return the sentences of the classes with these labels, one list
        for each template."""
        if self.sample is not None:  # another subset in each step
            return [tokens.subset(rows) for tokens in self.tokens.values()]
        if rows not in self._subsets:
            self._subsets[rows] = [tokens.map(lambda t: t[list(rows)])
                                   for tokens in self.tokens.values()]
        return self._subsets[rows]

    def choose(self, training: bool, image: Tensor | None = None
               ) -> list[int]:
        """Return the labels of the classes that are encoded: in training the
        base classes, or a sample of them for the images ``(B, D)``."""
        if not training:
            return list(range(len(self.vocabulary)))
        if self.sample is None or image is None:
            return self.vocabulary.base_labels
        return self.sample(self.clip, self.vocabulary, image)

    def features(self, rows: tuple[int, ...], image: Tensor, share: bool
                 ) -> Tensor:
        """Encode the classes with these labels.

        The result is kept between batches while nothing can change it.

        Args:
            rows (tuple[int]): Labels of ``C`` classes.
            image (Tensor): ``(B, D)`` image features.
            share (bool): Whether each process encodes a share of them.

        Returns:
            Tensor: ``(C, D)`` or ``(B, C, D)``; wider, with the hidden states
            that the learner reads behind the features, so that chunks, other
            processes and what is kept always have both or none.
        """
        def encode(rows: tuple[int, ...]) -> Tensor:
            return in_chunks(partial(self._encode, image), rows, self.chunk)

        if self.prompt is not None and self.prompt.per_image:
            return encode(rows)
        share = share and self.sample is None
        make = partial(over_processes, encode) if share else encode
        learned = [] if self.prompt is None else tensors_of(self.prompt)
        training = self.prompt is not None and self.prompt.training
        return self._kept.get(
            partial(make, rows),
            key=(training, rows, self.vocabulary, tuple(self.tokens)),
            learned=learned, frozen=self.clip.text_weights)

    def _encode(self, image: Tensor, rows: tuple[int, ...]) -> Tensor:
        if self.prompt is not None:
            tokens, prompts = self.prompts(rows, image)
            states = []
            text = self.clip.encode_text(tokens, prompts,
                                         self.prompt.position, states)
            lead = text.shape[:-1]
            return text if not states else torch.cat(
                [text, *(t.expand(*lead, -1) for t in states)], dim=-1)
        if self.sentences is not None:
            return self.sentences.encode(
                self.clip, [self.vocabulary.names[i] for i in rows],
                normalize=True)
        texts = [self.clip.encode_text(t) for t in self.tokens_of(rows)]
        if len(texts) == 1:
            return texts[0]
        return sum(F.normalize(text, dim=-1) for text in texts) / len(texts)

    def prompts(self, rows: tuple[int, ...], image: Tensor | None
                ) -> tuple[ClassTokens, Prompts]:
        """Ask the learner what joins the sentences of some classes.

        Args:
            rows (tuple[int]): Labels of ``C`` classes.
            image (Tensor): ``(B, D)``; None where no learner looks at it.

        Returns:
            tuple[ClassTokens, Prompts]: The sentences, and what joins them.
        """
        tokens, frozen = self.tokens_of(rows)[0], None
        ids = tuple(self.vocabulary.ids[i] for i in rows)
        if self.prompt.needs_frozen_text:
            # Those of a sample are found among those of all base classes.
            sampled = self.sample is not None and self.prompt.training
            known = self.vocabulary.base_labels if sampled else list(rows)
            frozen = self._frozen_text(self.clip, self.vocabulary, known)
            if sampled:
                frozen = frozen[[known.index(label) for label in rows]]
        return tokens, self.prompt.for_text(
            TextInput(ids, tokens, image, frozen))
