"""The interface of prompt learners."""
from __future__ import annotations

from typing import NamedTuple

from mmengine.model import BaseModule
from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.models.clip import ClassTokens, FrozenCLIP
from dept_mm.structures import CLIPFeatures, Prompts


class TextInput(NamedTuple):
    """What a learner may use to prompt the text tower.

    Attributes:
        ids (tuple[str]): Identity of each class.
        tokens (ClassTokens): Their sentences.
        image (Tensor): ``(B, D)`` un-normalised image features.
        frozen (Tensor, optional): ``(C, D)`` un-normalised features of the
            data set's own sentences by the CLIP without prompts, for a
            learner that ``needs_frozen_text``.
    """
    ids: tuple[str, ...]
    tokens: ClassTokens
    image: Tensor
    frozen: Tensor | None = None


class TokenStates(NamedTuple):
    """Hidden states that a learner has asked for with ``Prompts.read``.

    They are neither normalised nor projected; ``project`` of a tower does
    both. They stand in the order of the blocks they were read after.

    Attributes:
        image (list[Tensor]): ``(B, 1 + n, W)`` each: the class token, and
            behind it the learned tokens that had joined.
        text (list[Tensor]): ``(C, W)``, or ``(B, C, W)`` where the text
            features have an image axis: the end-of-text tokens.
    """
    image: list[Tensor]
    text: list[Tensor]


class BasePrompt(BaseModule):
    """Own the parameters of a prompt learner and turn them into prompts.

    ``PromptedCLIP`` builds it with its own config plus two arguments,
    ``clip`` (a ``FrozenCLIP``, to read sizes and words from; not to be kept)
    and ``vocabulary``. It then asks for the prompts of each tower.

    Attributes:
        template (str, optional): The sentence in which the class name
            stands, learned context left out. None for the data set's own
            template.
        position (str): Where the text context stands; see ``TextTower``.
        num_context (int): Slots the text context takes.
        per_image (bool): Whether text prompts depend on the image, so that
            no text classifier can be kept between batches.
        needs_frozen_text (bool): Whether it looks at ``TextInput.frozen``.
    """
    template: str | None = '{}.'
    position = 'end'
    num_context = 0
    per_image = False
    needs_frozen_text = False

    @property
    def settings(self) -> dict:
        """Options that change the meaning of the tensors but not their shapes,
        in JSON types. A checkpoint with other settings is refused."""
        return {}

    def sentence(self, template: str) -> str:
        """Return the template in which the class name stands, given the
        template of the data set."""
        return self.template or template

    def for_image(self) -> Prompts:
        """Return the prompts of the image tower, by default none."""
        return Prompts()

    def for_text(self, given: TextInput) -> Prompts:
        """Return the prompts of the text tower, by default none."""
        return Prompts()

    def merge_into(self, model: nn.Module) -> None:
        """Add what was learned to the weights of an open_clip model, in
        place.

        Args:
            model (nn.Module): A copy of the model that this was made for.

        Raises:
            DeptError: By default: tokens, and functions that are not linear,
                are no change of weights.
        """
        raise DeptError(f'{type(self).__name__} cannot be merged: what it '
                        'learns is no change of the weights of the CLIP. '
                        'CLIPLoRA can.')

    def change_features(self, feats: CLIPFeatures, states: TokenStates,
                        clip: FrozenCLIP) -> CLIPFeatures:
        """Change the features of a batch, given what was read, before the neck
        and the head get them. By default they stay as they are.

        Args:
            feats (CLIPFeatures): Features of both towers.
            states (TokenStates): What ``for_image`` and ``for_text`` asked
                for.
            clip (FrozenCLIP): Its towers project hidden states.
        """
        return feats
