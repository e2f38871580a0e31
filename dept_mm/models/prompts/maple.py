"""MaPLe: image prompts that are computed from the text prompts."""
from __future__ import annotations

import copy

from torch import nn

from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.initial import word_rows
from dept_mm.models.prompts.tokens import (
    check_depth,
    check_range,
    deep_prompts,
    deep_tokens,
)
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts, Vocabulary


@MODELS.register_module()
class MaPLePrompt(BasePrompt):
    """Learn deep text prompts, and a linear map of each into the image tower.

    "MaPLe: Multi-modal Prompt Learning" (Khattak et al., CVPR 2023), section
    3.2. The first text tokens start from the first words; the words that are
    left stay in the sentence, as in the public code: with two tokens and "a
    photo of a", it is ``[v_1] [v_2] of a {name}.``

    Args:
        clip (FrozenCLIP): Gives sizes and the embeddings of ``words``.
        vocabulary (Vocabulary): Not needed; learners all get it.
        num_tokens (int): Tokens per block, at most as many as ``words``.
            Defaults to 2.
        depth (int): Blocks with tokens of their own. Defaults to 9.
        words (str): One token each. Defaults to ``'a photo of a'``.

    Raises:
        DeptError: If the depth exceeds a tower's, the image tower has no
            tokens, or there are more tokens than words.

    Examples:
        >>> prompt = dict(type='MaPLePrompt', depth=9)
    """

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 num_tokens: int = 2, depth: int = 9,
                 words: str = 'a photo of a') -> None:
        super().__init__()
        for tower in (clip.text_tower, clip.image_tower):
            check_depth(self, 'depth', depth, clip, tower)
        start, left = word_rows(clip, words), words.split()[num_tokens:]
        check_range('MaPLePrompt', 'num_tokens', num_tokens, 1, len(start),
                    f'words={words!r} has {len(start)} tokens')
        self.num_context = num_tokens
        self.template = ' '.join([*left, '{}.'])
        self.text = deep_tokens(clip, clip.text_tower, num_tokens, depth)
        self.text[0].data.copy_(start[:num_tokens])
        widths = clip.text_tower.width, clip.image_tower.width
        # The deeper maps all start from one initialisation.
        deeper = nn.Linear(*widths)
        self.to_image = nn.ModuleList(
            [nn.Linear(*widths),
             *(copy.deepcopy(deeper) for _ in range(depth - 1))]
        ).to(clip.learned_dtype)

    def for_image(self) -> Prompts:
        """Return the mapped tokens ``(n, W)`` of the first block and of deeper
        ones."""
        return deep_prompts([to(t) for to, t in zip(
            self.to_image, self.text, strict=True)])

    def for_text(self, given: TextInput) -> Prompts:
        """Return the tokens ``(n, W)`` before the map, of the first block and
        of deeper ones."""
        return deep_prompts(self.text)
