"""TCP: context that depends on the class."""
from __future__ import annotations

from open_clip.transformer import QuickGELU
from torch import nn
from torch.nn import functional as F

from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.tokens import check_range, start_context
from dept_mm.registry import MODELS
from dept_mm.structures import Prompts, Vocabulary


@MODELS.register_module()
class TCPPrompt(BasePrompt):
    r"""Learn a context that is replaced, in a deep block, by tokens computed
    from the class.

    "TCP: Textual-based Class-aware Prompt Tuning" (Yao et al., CVPR 2024),
    section 3.2: a small network makes :math:`n` tokens :math:`h_\theta(w_c /
    \|w_c\|)` of the frozen CLIP's text :math:`w_c` of each class. At the
    input of one text block they take the place of the learned context,
    wholly: the mixing weight of the public code is fixed to 1. Since every
    class has such a text, so has every unseen one. The loss is cross-entropy
    and a ``TextConsistencyLoss`` of weight 8.

    As in that code, :math:`w_c` is of the data set's own template, and what
    stands behind the name there stays: "a photo of a {}, a type of pet."
    becomes ``[v_1] ... [v_n] {}, a type of pet.``

    Args:
        clip (FrozenCLIP): Gives the widths and the embeddings of ``words``.
        vocabulary (Vocabulary): Not needed; learners all get it.
        num_tokens (int): Number of context tokens where ``words`` is None.
            Defaults to 4.
        words (str, optional): Start the context from the embeddings of these
            words, as in the paper, or from N(0, 0.02^2) if None, as in the
            public configs. Defaults to ``'a photo of a'``.
        layer (int): The text block, counted from 0. Defaults to 8.
        reduction (int): Feature width over the bottleneck's. Defaults to 4.

    Raises:
        DeptError: If an option is out of range.

    Examples:
        >>> prompt = dict(type='TCPPrompt', layer=8)
    """
    needs_frozen_text = True

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 num_tokens: int = 4, words: str | None = 'a photo of a',
                 layer: int = 8, reduction: int = 4) -> None:
        super().__init__()
        blocks, width = clip.text_tower.num_layers, clip.spec.embed_dim
        check_range('TCPPrompt', 'layer', layer, 1, blocks - 1,
                    f'the text tower of CLIP {clip.name!r} has {blocks} '
                    'blocks, counted from 0')
        check_range('TCPPrompt', 'reduction', reduction, 1, width,
                    'the width of the features')
        self.layer = layer
        self.words = words
        self.context = start_context(self, clip, num_tokens, words)
        self.num_context = len(self.context)
        self.meta_net = nn.Sequential(
            nn.Linear(width, width // reduction), QuickGELU(),
            nn.Linear(width // reduction, self.context.numel())
        ).to(clip.learned_dtype)

    @property
    def settings(self) -> dict:
        """The block where tokens computed from the class go in."""
        return dict(layer=self.layer)

    def sentence(self, template: str) -> str:
        """Return the template without the words that the context replaces."""
        lead = f'{self.words} '
        if template.startswith(lead):
            return template[len(lead):]
        return template[template.index('{}'):]

    def for_text(self, given: TextInput) -> Prompts:
        """Return the context ``(n, W)``, then the class's tokens ``(C, n,
        W)``."""
        text = F.normalize(given.frozen, dim=-1).to(self.context.dtype)
        tokens = self.meta_net(text).reshape(-1, *self.context.shape)
        return Prompts(context=self.context, deep={self.layer: tokens})
