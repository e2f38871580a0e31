"""CoOp: learned context words."""
from __future__ import annotations

from torch import nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.clip.text_tower import POSITIONS
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.initial import word_rows
from dept_mm.models.prompts.tokens import check_count, draw_noise
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts, Vocabulary


@MODELS.register_module()
class CoOpPrompt(BasePrompt):
    """Learn context vectors that stand beside the class name.

    "Learning to Prompt for Vision-Language Models" (Zhou et al., IJCV 2022),
    section 3.2: the sentence of class ``c`` is ``[v_1] ... [v_M] [name_c] .``
    with ``M`` free vectors of the text tower's width.

    Args:
        clip (FrozenCLIP): Gives the text tower's width and the embeddings of
            ``words``.
        vocabulary (Vocabulary): Its base classes own the class-specific
            contexts.
        num_tokens (int): ``M``. Ignored where ``words`` are given.
            Defaults to 16.
        words (str, optional): Start from the embeddings of these words, as
            many as they have tokens. Defaults to N(0, 0.02^2).
        class_specific (bool): One context per base class instead of one for
            all; such a model cannot score other classes.
            Defaults to False.
        position (str): ``'end'``, ``'middle'`` or ``'front'``: where the
            class name stands. Defaults to ``'end'``.

    Raises:
        DeptError: If an option is out of range, or class-specific contexts
            are asked for a class that has none.

    Examples:
        >>> prompt = dict(type='CoOpPrompt', num_tokens=16)
    """

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 num_tokens: int = 16, words: str | None = None,
                 class_specific: bool = False, position: str = 'end') -> None:
        super().__init__()
        if position not in POSITIONS:
            raise DeptError(f'CoOpPrompt: position {position!r} is not one '
                            f'of {POSITIONS}.')
        check_count(self, 'num_tokens', num_tokens, clip)
        self.position = position
        self.class_ids = vocabulary.base if class_specific else None
        dtype = clip.learned_dtype
        owners = [len(vocabulary.base)] if class_specific else []
        if words:
            context = word_rows(clip, words).to(dtype)
            self.context = nn.Parameter(context.repeat(*owners, 1, 1)
                                        if owners else context)
        else:
            self.context = draw_noise(*owners, num_tokens,
                                      clip.text_tower.width, dtype=dtype)
        self.num_context = self.context.shape[-2]

    @property
    def settings(self) -> dict:
        """Where the context stands, and which classes have one of their own.
        """
        return dict(position=self.position, classes=list(self.class_ids or ()))

    def for_text(self, given: TextInput) -> Prompts:
        """Return the context ``(M, W)``, or ``(C, M, W)`` if it is
        class-specific."""
        if self.class_ids is None:
            return Prompts(context=self.context)
        row = {key: i for i, key in enumerate(self.class_ids)}
        unseen = [key for key in given.ids if key not in row]
        if unseen:
            raise DeptError(
                'CoOpPrompt(class_specific=True) has no context for classes '
                f'it was not trained on: {unseen[:5]}'
                f'{" ..." if len(unseen) > 5 else ""}. Use '
                'class_specific=False to score new classes.')
        rows = [row[key] for key in given.ids]
        return Prompts(context=self.context[rows])
