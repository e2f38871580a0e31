"""The text side of a tuned model, as one graph."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dept_mm.models.backbones import PromptedCLIP
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.clip.blocks import comes_apart, whole_block
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.models.clip.tokens import ClassTokens, Words, tokenize_classes
from dept_mm.models.prompts import TextInput
from dept_mm.structures import BlockParts


@contextmanager
def plain_texts(clip: FrozenCLIP) -> Iterator[None]:
    """Let the text tower encode whole sentences inside, by operations that
    work for any number of classes and tokens when they are traced. The
    layout of its engine, and torch's attention module, are of one number.
    """
    tower = clip.text_tower
    if not isinstance(tower, TextTower):
        yield
        return
    engine, plain = tower.engine, tower._block

    def run(block: nn.Module, x: Tensor, last: bool, parts: BlockParts
            ) -> Tensor:
        if not comes_apart(block):
            return plain(block, x, last, parts)
        return whole_block(block, x, parts, tower._mask(x))

    tower.engine, tower._block = None, run
    try:
        yield
    finally:
        tower.engine = engine
        del tower._block


class TextGraph(nn.Module):
    """Turn sentences of classes into rows of the classifier.

    Args:
        backbone (PromptedCLIP): Of an ``ImageGraph`` with open vocabulary.

    Attributes:
        inputs, outputs, axes, part: See ``ImageGraph``.
        templates (tuple[str]): ``K`` sentences with ``{}`` for the name, all
            of which the graph is given for each class.
        rooms (list[int]): How many tokens each may have.
        name_start (list[int]): Slot of the name's first token in each.
    """
    inputs = ('ids', 'end', 'name_end')
    outputs = ('class_weights', )
    axes = dict(ids={0: 'classes', 2: 'length'}, end={0: 'classes'},
                name_end={0: 'classes'}, class_weights={0: 'classes'})

    def __init__(self, backbone: PromptedCLIP) -> None:
        super().__init__()
        self.prompt = backbone.prompt
        self.part = 'The text tower' + (
            f' with {type(self.prompt).__name__}' if self.prompt else '')
        # As a submodule, it would bring the image tower along.
        object.__setattr__(self, 'clip', backbone.clip)
        self.text = self.clip.model.text
        templates = tuple(backbone.texts.tokens)
        if self.prompt is not None and self.prompt.needs_frozen_text:
            templates += backbone.vocabulary.templates
        self.templates = templates
        extra = self.prompt.num_context if self.prompt else 0
        self.rooms = [self.clip.text_tower.context_length - extra * (i == 0)
                      for i in range(len(templates))]
        self.eval()
        words = Words(self.clip.tokenizer)
        self.start = len(words.start)
        self.name_start = [
            self.start + len(words.encode(t.partition('{}')[0]))
            for t in templates]

    def tokenize(self, names: tuple[str, ...]) -> tuple[Tensor, ...]:
        """Tokenise class names as the graph wants them.

        Returns:
            tuple[Tensor, ...]: ``ids (N, K, L)`` padded to the longest, ``end
            (N, K)``, the slot of the last token, and ``name_end (N, K)``,
            that behind the class name.
        """
        words, found = Words(self.clip.tokenizer), []
        for i, template in enumerate(self.templates):
            tower = self.clip.text_tower
            found.append(tokenize_classes(
                words, tower, names, template,
                tower.context_length - self.rooms[i]))
        length = max(tokens.ids.shape[1] for tokens in found)
        return (torch.stack([F.pad(t.ids, (0, length - t.ids.shape[1]),
                                   value=words.pad) for t in found], 1),
                torch.stack([t.end for t in found], 1),
                torch.stack([t.name_end for t in found], 1))

    def forward(self, ids: Tensor, end: Tensor, name_end: Tensor
                ) -> tuple[Tensor]:
        """Compute ``class_weights (N, D)``; their products with normalised
        image features are similarities.

        Args:
            ids, end, name_end (Tensor): See :meth:`tokenize`.
        """
        sentences = [
            ClassTokens(ids[:, i, :self.rooms[i]], end[:, i], name_end[:, i],
                        self.start, self.name_start[i])
            for i in range(len(self.templates))]
        with plain_texts(self.clip):
            text = self._encode(sentences).float()
        return self.clip.logit_scale * F.normalize(text, dim=-1),

    def _encode(self, sentences: list[ClassTokens]) -> Tensor:
        if self.prompt is None:
            texts = [self.clip.encode_text(t) for t in sentences]
            if len(texts) == 1:
                return texts[0]
            return sum(F.normalize(t, dim=-1) for t in texts) / len(texts)
        first, *others = sentences
        frozen = None
        if others:
            frozen = sum(self.clip.encode_text(t).float()
                         for t in others) / len(others)
        # No class that was trained on has this identity.
        ids = ('', ) * first.ids.shape[0]
        prompts = self.prompt.for_text(TextInput(ids, first, None, frozen))
        return self.clip.encode_text(first, prompts, self.prompt.position)
