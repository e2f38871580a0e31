"""CoCoOp: context that depends on the image."""
from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.tokens import check_range, start_context
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts, Vocabulary


@MODELS.register_module()
class CoCoOpPrompt(BasePrompt):
    r"""Learn a context, and a small network that shifts it by the image.

    "Conditional Prompt Learning for Vision-Language Models" (Zhou et al.,
    CVPR 2022), section 3.2: :math:`v_m(x) = v_m + h_\theta(f(x) /
    \|f(x)\|)` with a two-layer bottleneck :math:`h_\theta`.

    Every image has text features of its own, ``(B, C, D)``.

    Args:
        clip (FrozenCLIP): Gives the widths and the embeddings of ``words``.
        vocabulary (Vocabulary): Not needed; learners all get it.
        num_tokens (int): Number of context tokens where ``words`` is None.
            Defaults to 4.
        words (str, optional): Start from the embeddings of these words, or
            from N(0, 0.02^2) if None. Defaults to ``'a photo of a'``.
        reduction (int): Feature width over the bottleneck's.
            Defaults to 16.

    Raises:
        DeptError: If an option is out of range.

    Examples:
        >>> prompt = dict(type='CoCoOpPrompt', words='a photo of a')
    """
    per_image = True

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 num_tokens: int = 4, words: str | None = 'a photo of a',
                 reduction: int = 16) -> None:
        super().__init__()
        width = clip.spec.embed_dim
        check_range('CoCoOpPrompt', 'reduction', reduction, 1, width,
                    'the width of the features')
        self.context = start_context(self, clip, num_tokens, words)
        self.num_context = len(self.context)
        self.meta_net = nn.Sequential(
            nn.Linear(width, width // reduction), nn.ReLU(),
            nn.Linear(width // reduction, clip.text_tower.width)
        ).to(clip.learned_dtype)

    def for_text(self, given: TextInput) -> Prompts:
        """Return the context of each image, ``(B, 1, n, W)``."""
        image = F.normalize(given.image, dim=-1).to(self.context.dtype)
        shift = self.meta_net(image)[:, None, None]
        return Prompts(context=self.context + shift)
