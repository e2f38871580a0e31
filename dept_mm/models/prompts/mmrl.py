"""MMRL and MMRL++: learned tokens of one space in both towers."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.aligners import FullAligner, SharedAligner
from dept_mm.models.prompts.base import BasePrompt, TextInput, TokenStates
from dept_mm.models.prompts.tokens import (
    check_depth,
    check_range,
    draw_noise,
)
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Prompts, Vocabulary


@MODELS.register_module()
class MMRLPrompt(BasePrompt):
    r"""Learn representation tokens that upper blocks of both towers share.

    "MMRL: Multi-Modal Representation Learning for Vision-Language Models"
    (Guo and Gu, CVPR 2025). Tokens :math:`R` of a space of their own are
    mapped into each of the upper blocks, behind the start token of texts and
    beside the patches of images, in place of those of the block before. Their
    mean in the last block, projected by a matrix that is learned, is a second
    feature of the image. It is trained by ``TokenFeatureLoss``. In
    evaluation, the logits of base classes are :math:`\alpha s + (1 - \alpha)
    s'`, where :math:`s'` uses the second feature; other classes keep
    :math:`s`.

    With ``rank``, it is MMRL++ (Guo and Gu, 2025): maps of all blocks share
    one matrix and differ by a product of two thin ones, the second feature is
    projected by CLIP's matrix and such a product, and a block gets
    :math:`\beta` times its own tokens plus :math:`1 - \beta` times those that
    the block before computed.

    Args:
        clip (FrozenCLIP): Gives the sizes.
        vocabulary (Vocabulary): Its base classes have fused logits.
        num_tokens (int): Representation tokens. Defaults to 5.
        token_width (int): Width of their space. Defaults to 512.
        first_block (int): First block with tokens, counted from 1.
            Defaults to 6.
        fusion_weight (float): :math:`\alpha`. Defaults to 0.7.
        blend (float): :math:`\beta`. Defaults to 1.0, as in MMRL; MMRL++
            takes 0.9.
        rank (int, optional): Rank of what differs between blocks; MMRL++
            takes 4. None gives each block a matrix of its own.
        projection_rank (int, optional): Rank of what is added to CLIP's
            projection; MMRL++ takes 64. None learns a whole matrix.
        copy_projection (bool): Whether a whole matrix starts from CLIP's.
            Defaults to False, as in the public code, which draws it.

    Raises:
        DeptError: If a tower lacks the block, or the image tower has no
            tokens.

    Examples:
        >>> prompt = dict(type='MMRLPrompt')
        >>> prompt = dict(  # MMRL++
        ...     type='MMRLPrompt', blend=0.9, rank=4, projection_rank=64)
    """
    template = None

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 num_tokens: int = 5, token_width: int = 512,
                 first_block: int = 6, fusion_weight: float = 0.7,
                 blend: float = 1.0, rank: int | None = None,
                 projection_rank: int | None = None,
                 copy_projection: bool = False) -> None:
        super().__init__()
        towers = clip.text_tower, clip.image_tower
        length = towers[0].context_length
        check_range('MMRLPrompt', 'num_tokens', num_tokens, 1, length,
                    f'a sentence itself has {length} tokens at most')
        for tower in towers:
            check_depth(self, 'first_block', first_block, clip, tower)
        for name, value in (('fusion_weight', fusion_weight),
                            ('blend', blend)):
            check_range('MMRLPrompt', name, value, 0, 1, 'it is a share')
        self.first, self.blend = first_block - 1, blend
        self.fusion_weight = fusion_weight
        self.class_ids = vocabulary.base
        dtype = clip.learned_dtype
        self.tokens = draw_noise(num_tokens, token_width, dtype=dtype)
        make = FullAligner if rank is None else partial(SharedAligner,
                                                        rank=rank)
        self.to_text, self.to_image = (
            make(token_width, tower.width, tower.num_layers - self.first)
            .to(dtype) for tower in towers)
        self.projection = TokenProjection(
            clip.image_tower.width, clip.spec.embed_dim, projection_rank,
            clip.image_tower.projection if copy_projection else None
        ).to(dtype)

    @property
    def settings(self) -> dict:
        """Which blocks have tokens, and how tokens and logits are mixed."""
        return dict(first_block=self.first + 1, blend=self.blend,
                    fusion_weight=self.fusion_weight)

    def for_image(self) -> Prompts:
        """Return tokens ``(n, W)`` for each upper block, and read what the
        last one makes of them."""
        return Prompts(deep=self._deep(self.to_image), read=(-1, ))

    def for_text(self, given: TextInput) -> Prompts:
        """Return tokens ``(n, W)`` for each upper block."""
        return Prompts(deep=self._deep(self.to_text))

    def _deep(self, aligner: nn.Module) -> dict[int, Tensor | Callable]:
        rows = [aligner(self.tokens, i) for i in range(len(aligner))]
        found = dict(enumerate(rows, self.first))
        if self.blend == 1:
            return found
        return {i: own if i == self.first else partial(self._mix, own)
                for i, own in found.items()}

    def _mix(self, own: Tensor, before: Tensor) -> Tensor:
        """Mix a block's own tokens with those of the block before."""
        return self.blend * own.to(before.dtype) + (1 - self.blend) * before

    def change_features(self, feats: CLIPFeatures, states: TokenStates,
                        clip: FrozenCLIP) -> CLIPFeatures:
        """Add the second image feature ``(B, D)`` for training, or its part
        of the logits of base classes."""
        tower = clip.image_tower
        mean = tower.norm(states.image[0][:, 1:]).mean(1)
        second = self.projection(mean, tower.projection)
        if self.training:
            return feats._replace(
                extra=dict(feats.extra or {}, token_image=second))
        return feats._replace(bonus=self._difference(feats, second))

    def _difference(self, feats: CLIPFeatures, second: Tensor) -> Tensor:
        """Return what fusion adds to the similarity logits ``(B, C)``."""
        first, other = (similarity(x, feats.text, feats.logit_scale)
                        for x in (feats.image, second))
        # In evaluation every class has a text, in this order.
        base = torch.tensor([key in self.class_ids for key in feats.ids],
                            device=first.device)
        return (1 - self.fusion_weight) * (other - first) * base


class TokenProjection(nn.Module):
    """Project tokens of the image tower to features.

    Args:
        width (int): ``W``.
        out (int): ``D``.
        rank (int, optional): Rank of what is added to CLIP's projection.
            None learns a matrix of its own.
        start (Tensor, optional): ``(W, D)``, what that starts from. Defaults
            to noise of standard deviation ``W**-0.5``.
    """

    def __init__(self, width: int, out: int, rank: int | None,
                 start: Tensor | None) -> None:
        super().__init__()
        self.weight = self.left = None
        if rank is None:
            start = (torch.randn(width, out) * width**-0.5 if start is None
                     else start.detach().clone())
            self.weight = nn.Parameter(start)
        else:
            self.left = nn.Parameter(torch.empty(width, rank))
            nn.init.kaiming_uniform_(self.left, a=5**0.5)
            self.right = nn.Parameter(torch.zeros(rank, out))

    def forward(self, x: Tensor, frozen: Tensor) -> Tensor:
        """Project ``(B, W)`` to ``(B, D)``, given CLIP's ``(W, D)``."""
        if self.weight is not None:
            return x @ self.weight.to(x.dtype)
        return x @ frozen + x @ self.left.to(x.dtype) @ self.right.to(x.dtype)
