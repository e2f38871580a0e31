"""ATPrompt: learned tokens around words that name attributes."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput, TokenStates
from dept_mm.models.prompts.module import check_kind
from dept_mm.models.prompts.tokens import check_count
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Prompts, Vocabulary

STD = 0.01


@MODELS.register_module()
class ATPrompt(BasePrompt):
    """Put attributes before the learned context of another learner.

    "Advancing Textual Prompt Learning with Anchored Attributes" (Li et al.,
    ICCV 2025). The sentence ``[v] ... [v] {name}.`` of the host becomes
    ``[a] ... [a] color [b] ... [b] shape [v] ... [v] {name}.``: the tokens
    before each attribute are learned, its word is fixed. A host with tokens
    in deep blocks replaces its own there; attributes and their tokens go on.

    The public code keeps the first token of each word only. Here words of
    several tokens are whole, which is the same for its words of one token.

    Args:
        clip (FrozenCLIP): Gives the embeddings of the words.
        vocabulary (Vocabulary): For the host.
        host (Mapping): Config of a learner with context behind the start
            token, such as ``CoOpPrompt``, ``CoCoOpPrompt`` or
            ``MaPLePrompt``.
        attributes (Sequence[str]): The words, in order. Defaults to
            ``('color', 'shape')``, the paper's for Caltech101 and ImageNet.
        num_tokens (int): Learned tokens before each word. Defaults to 4.

    Raises:
        DeptError: If there are no attributes, or the host has no context
            there.

    Examples:
        >>> prompt = dict(
        ...     type='ATPrompt', attributes=['color', 'shape'],
        ...     host=dict(type='CoOpPrompt', num_tokens=4))
    """

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 host: Mapping,
                 attributes: Sequence[str] = ('color', 'shape'),
                 num_tokens: int = 4) -> None:
        super().__init__()
        check_kind('ATPrompt(host=...)', host, BasePrompt)
        self.host = MODELS.build(dict(host, clip=clip, vocabulary=vocabulary))
        if not attributes or isinstance(attributes, str):
            raise DeptError('ATPrompt: attributes must be a list of words, '
                            "such as ['color', 'shape'].")
        if self.host.position != 'end' or not self.host.num_context:
            raise DeptError(
                f'ATPrompt: {host["type"]} has no context behind the start '
                'token, before which attributes could stand; use CoOpPrompt, '
                'CoCoOpPrompt, MaPLePrompt or IVLPPrompt.')
        check_count(self, 'num_tokens', num_tokens, clip)
        self.attributes = tuple(attributes)
        width, dtype = clip.text_tower.width, clip.learned_dtype
        self.tokens = nn.ParameterList(
            torch.empty(num_tokens, width).normal_(std=STD).to(dtype)
            for _ in attributes)
        for i, word in enumerate(attributes):
            self.register_buffer(f'word{i}', clip.embed_words(word).to(dtype),
                                 persistent=False)
        self.template = self.host.template
        self.per_image = self.host.per_image
        self.needs_frozen_text = self.host.needs_frozen_text
        self.num_context = self.host.num_context + len(self._before())

    @property
    def settings(self) -> dict:
        """The words, and the host with its settings."""
        return dict(attributes=list(self.attributes),
                    host=type(self.host).__name__, **self.host.settings)

    def sentence(self, template: str) -> str:
        """Return the host's sentence for the class name."""
        return self.host.sentence(template)

    def for_image(self) -> Prompts:
        """Return the host's prompts of the image tower."""
        return self.host.for_image()

    def for_text(self, given: TextInput) -> Prompts:
        """Return the host's prompts behind those of the attributes."""
        prompts, before = self.host.for_text(given), self._before()
        return replace(
            prompts, context=_join(before, prompts.context),
            deep={i: partial(_keep_first, len(before), own)
                  for i, own in prompts.deep.items()})

    def change_features(self, feats: CLIPFeatures, states: TokenStates,
                        clip: FrozenCLIP) -> CLIPFeatures:
        """Change the features as the host does."""
        return self.host.change_features(feats, states, clip)

    def _before(self) -> Tensor:
        """Return the tokens ``(n, W)`` before the host's context."""
        return torch.cat([
            rows for i, own in enumerate(self.tokens)
            for rows in (own, getattr(self, f'word{i}').to(own.dtype))])


def _join(before: Tensor, tokens: Tensor) -> Tensor:
    """Put ``(..., a, W)`` before ``(..., n, W)``; leading axes are
    broadcast."""
    lead = torch.broadcast_shapes(before.shape[:-2], tokens.shape[:-2])
    return torch.cat([t.to(before.dtype).expand(*lead, *t.shape[-2:])
                      for t in (before, tokens)], dim=-2)


def _keep_first(count: int, own: Tensor | Callable[[Tensor], Tensor],
                found: Tensor) -> Tensor:
    """Replace all but the first tokens of ``found (..., n, W)``."""
    if callable(own):
        own = own(found[..., count:, :])
    return _join(found[..., :count, :], own)
