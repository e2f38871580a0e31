"""Compute a step of prompt tuning in the way of public code, to compare with.

It has the parameters, the losses and the frozen CLIP of the model that is
measured, so that both give the same numbers; only the work differs.
"""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import ClassTokens
from dept_mm.models.prompts import TextInput, TokenStates
from dept_mm.structures import CLIPFeatures


class PlainBackbone:
    """Compute the features of a ``PromptedCLIP`` in the plain way.

    Each call runs the text tower's own blocks with their full mask over all
    positions of its context, for every class, and in a loop over the images
    where prompts depend on them.

    Args:
        backbone (PromptedCLIP): Whose CLIP and prompt learner to use; all
            its classes are base classes.
    """

    def __init__(self, backbone: PromptedCLIP) -> None:
        self.backbone = backbone
        self.clip, self.prompt = backbone.clip, backbone.prompt
        self.vocabulary = backbone.vocabulary
        template = self.prompt.template or self.vocabulary.templates[0]
        self.tokens = self._tokenize(template)

    def __call__(self, images: Tensor, text: Tensor | None = None
                 ) -> CLIPFeatures:
        """Encode images, and all classes unless their features are given.

        Args:
            images (Tensor): ``(B, 3, H, W)``.
            text (Tensor, optional): ``(C, D)`` or ``(B, C, D)``.
        """
        states = TokenStates([], [])
        image = self.clip.image_tower.plain(images, self.prompt.for_image(),
                                            states.image)
        if text is None:
            text = self.text(image)
        teacher = None
        if self.backbone.teacher is not None and self.backbone.training:
            teacher = self.backbone.teacher(self.clip, self.vocabulary,
                                            images)
        labels = torch.arange(len(self.vocabulary), device=image.device)
        feats = CLIPFeatures(text, labels, self.vocabulary.ids,
                             self.clip.logit_scale, teacher, None, None,
                             image)
        return self.prompt.change_features(feats, states, self.clip)

    def text(self, image: Tensor, stop: int | None = None) -> Tensor:
        """Text features ``(C, D)`` or ``(B, C, D)`` of the first classes.

        Args:
            image (Tensor): ``(B, D)`` features.
            stop (int, optional): ``C``. Defaults to all.
        """
        ids = self.vocabulary.ids[:stop]
        tokens = self.tokens.map(lambda t: t[:stop])

        def encode(image: Tensor) -> Tensor:
            prompts = self.prompt.for_text(TextInput(ids, tokens, image))
            return self.clip.text_tower.plain(tokens, prompts,
                                              self.prompt.position)

        if self.prompt.per_image:
            return torch.cat([encode(one[None]) for one in image])
        return encode(image)

    def _tokenize(self, template: str) -> ClassTokens:
        """Sentences padded to the whole context, less the learned slots."""
        tokens = self.clip.tokenize(self.vocabulary.names, template,
                                    self.prompt.num_context)
        room = self.clip.text_tower.context_length - self.prompt.num_context
        ids = F.pad(tokens.ids, (0, room - tokens.ids.shape[1]))
        return ClassTokens(ids, tokens.end, tokens.name_end, tokens.start)
