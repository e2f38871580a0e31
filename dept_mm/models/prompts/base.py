"""What every prompt learner is."""
from __future__ import annotations

from typing import NamedTuple

from mmengine.model import BaseModule
from torch import Tensor

from dept_mm.models.clip import ClassTokens
from dept_mm.structures import Prompts


class TextInput(NamedTuple):
    """What a learner may look at when it prompts the text tower.

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


class BasePrompt(BaseModule):
    """A prompt learner: owns what is learned, never runs a tower.

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
        """What its tensors mean, where shapes do not tell; JSON types. A
        checkpoint of other settings is refused. Default: nothing."""
        return {}

    def sentence(self, template: str) -> str:
        """The sentence in which the class name stands, given the data
        set's template."""
        return self.template or template

    def for_image(self) -> Prompts:
        """Prompts of the image tower. Default: none."""
        return Prompts()

    def for_text(self, given: TextInput) -> Prompts:
        """Prompts of the text tower. Default: none."""
        return Prompts()
