"""VPT, deep language prompts and IVLP: independent prompts in both towers."""
from __future__ import annotations

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.initial import word_rows
from dept_mm.models.prompts.tokens import (
    check_count,
    check_depth,
    deep_prompts,
    deep_tokens,
)
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts, Vocabulary


@MODELS.register_module()
class IVLPPrompt(BasePrompt):
    """Learn separate tokens for the first blocks of each tower.

    "Visual Prompt Tuning" (Jia et al., ECCV 2022) with image tokens alone;
    the independent vision-language prompting of "MaPLe" (Khattak et al.,
    CVPR 2023) and "PromptSRC" (ICCV 2023) with both. At the input of each
    block up to the depth, new tokens replace those of the block before.

    Args:
        clip (FrozenCLIP): Gives sizes and the embeddings of ``words``.
        vocabulary (Vocabulary): Not needed; learners all get it.
        num_text_tokens (int): 0 keeps the data set's template.
            Defaults to 4.
        num_image_tokens (int): Defaults to 4.
        text_depth (int): Blocks of the text tower with tokens of their own;
            1 is shallow. Defaults to 1.
        image_depth (int): How many blocks of the image tower. Defaults to 1.
        words (str, optional): Start of the first text tokens; None, or fewer
            words than tokens, starts from N(0, 0.02^2).
            Defaults to ``'a photo of a'``.

    Raises:
        DeptError: If a depth exceeds the tower's, the image tower has no
            tokens, or there is nothing to learn.

    Examples:
        >>> prompt = dict(  # VPT: image tokens alone, in 12 blocks
        ...     type='IVLPPrompt', num_text_tokens=0, num_image_tokens=8,
        ...     image_depth=12)
    """

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 num_text_tokens: int = 4, num_image_tokens: int = 4,
                 text_depth: int = 1, image_depth: int = 1,
                 words: str | None = 'a photo of a') -> None:
        super().__init__()
        if not num_text_tokens and not num_image_tokens:
            raise DeptError('IVLPPrompt: there is nothing to learn with '
                            'num_text_tokens=0 and num_image_tokens=0.')
        self.num_context = num_text_tokens
        self.text = self.image = None
        if num_text_tokens:
            check_count(self, 'num_text_tokens', num_text_tokens, clip)
            check_depth(self, 'text_depth', text_depth, clip,
                        clip.text_tower)
            self.text = deep_tokens(clip, clip.text_tower, num_text_tokens,
                                    text_depth)
            start = word_rows(clip, words) if words else ()
            if len(start) >= num_text_tokens:
                self.text[0].data.copy_(start[:num_text_tokens])
        else:
            self.template = None
        if num_image_tokens:
            check_depth(self, 'image_depth', image_depth, clip,
                        clip.image_tower)
            self.image = deep_tokens(clip, clip.image_tower,
                                     num_image_tokens, image_depth)

    def for_image(self) -> Prompts:
        """Return the image tokens ``(n, W)`` of the first block and of deeper
        ones."""
        return Prompts() if self.image is None else deep_prompts(self.image)

    def for_text(self, given: TextInput) -> Prompts:
        """Return the text tokens ``(n, W)`` of the first block and of deeper
        ones."""
        return Prompts() if self.text is None else deep_prompts(self.text)
