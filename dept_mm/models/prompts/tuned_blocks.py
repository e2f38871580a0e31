"""Fine-tuning of the upper blocks of both towers, as in Skip Tuning."""
from __future__ import annotations

from copy import deepcopy

from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.tokens import check_blocks
from dept_mm.registry import MODELS
from dept_mm.structures import BlockParts, Prompts, Vocabulary


@MODELS.register_module()
class TunedBlocks(BasePrompt):
    """Fine-tune the upper blocks of both towers, norms and projections.

    The layer-wise skipping of "Skip Tuning: Pre-trained Vision-Language
    Models are Effective and Efficient Adapters Themselves" (Wu et al., CVPR
    2025): lower blocks are neither trained nor kept for the backward pass,
    and those of the text tower run once for a class list. With
    ``first_block=1`` all blocks are tuned. The class-wise skipping of the
    paper is a ``ClassSampleHook``. The CLIP stays as it is: the tuned blocks
    are copies, and a checkpoint holds them alone.

    Args:
        clip (FrozenCLIP): Its blocks are copied.
        vocabulary (Vocabulary): Not needed; learners all get it.
        first_block (int): The first block that is tuned, counted from 1.
            Defaults to 7.

    Raises:
        DeptError: If a tower has fewer blocks, or none that can be replaced,
            or the CLIP is in half precision beside weights in fp32.

    Examples:
        >>> prompt = dict(type='TunedBlocks', first_block=7)
    """
    template = None

    def __init__(self, clip: FrozenCLIP, vocabulary: Vocabulary,
                 first_block: int = 7) -> None:
        super().__init__()
        for tower in (clip.text_tower, clip.image_tower):
            check_blocks(self, 'first_block', first_block, clip, tower)
        if not clip.image_tower.pools_first:
            raise DeptError('TunedBlocks tunes towers whose feature is that '
                            'of the class token, which the image tower of '
                            f'CLIP {clip.name!r} pools otherwise.')
        if clip.precision not in ('fp32', 'pure_fp16'):
            raise DeptError(
                f'TunedBlocks tunes weights of CLIP {clip.name!r}, which is '
                f'in {clip.precision}: set clip.precision to fp32, with '
                'optim_wrapper.type=BF16OptimWrapper for speed.')
        text, visual = clip.model.text, clip.model.visual
        self.text = _Upper(text.transformer.resblocks, first_block - 1,
                           text.ln_final, text.text_projection)
        self.image = _Upper(visual.transformer.resblocks, first_block - 1,
                            visual.ln_post, visual.proj)

    def for_image(self) -> Prompts:
        """Return what the image tower runs in place of its own parts."""
        return self.image.prompts()

    def for_text(self, given: TextInput) -> Prompts:
        """Return what the text tower runs in place of its own parts."""
        return self.text.prompts()


class _Upper(nn.Module):
    """Copy the upper blocks of a tower, its final norm and its projection.

    Args:
        blocks (nn.Module): All blocks.
        first (int): How many of them stay frozen.
        norm (nn.Module): The final norm.
        projection (nn.Module | Tensor, optional): ``(W, D)``.
    """

    def __init__(self, blocks: nn.Module, first: int, norm: nn.Module,
                 projection: nn.Module | Tensor | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict({
            str(i): deepcopy(block) for i, block in enumerate(blocks)
            if i >= first})
        self.norm = deepcopy(norm)
        self.projection = deepcopy(projection)
        self.requires_grad_(True)

    def prompts(self) -> Prompts:
        """Put the copies in the places of what is frozen."""
        parts = {int(i): BlockParts(block=block)
                 for i, block in self.blocks.items()}
        return Prompts(parts=parts, end=self)

    def forward(self, x: Tensor) -> Tensor:
        """Turn hidden states ``(..., W)`` into features ``(..., D)``."""
        x = self.norm(x)
        if self.projection is None:
            return x
        if isinstance(self.projection, nn.Module):
            return self.projection(x)
        return x @ self.projection
