"""The interface of prompt modules."""
from __future__ import annotations

from collections.abc import Mapping

from mmengine.model import BaseModule
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.models.prompts.base import BasePrompt
from dept_mm.registry import MODELS


class PromptModule(BaseModule):
    """Own learned tokens and offsets, without knowing the model they are for.

    A host puts it into a tower: ``TowerPrompts`` into those of a CLIP,
    ``PromptedLanguageModel`` into a language model.

    Attributes:
        num_tokens (int): Number of learned tokens.
        late (bool): Whether the tokens join behind block ``layer``, where
            they may be generated, and not at the input.
        size (str): The option that sets the number of parameters, and the
            attribute that tells it.
    """
    num_tokens = 0
    late = False
    size: str

    @property
    def settings(self) -> dict:
        """Options that change the meaning of the tensors but not their shapes,
        in JSON types."""
        return {}

    def tokens(self) -> Tensor | None:
        """Return the learned tokens ``(num_tokens, W)``, or None if they are
        generated from hidden states."""
        raise NotImplementedError

    def offset(self, embeds: Tensor, place: Tensor,
               scope: Tensor | None = None) -> Tensor | None:
        """Compute what is added to the input's own tokens, by default nothing.

        Args:
            embeds (Tensor): Token embeddings ``(..., S, W)`` without
                positions.
            place (Tensor): ``(..., S)``, which token of the input each is,
                counted from 0 without prompts and padding.
            scope (Tensor, optional): ``(..., S)``, which tokens to move.
                Defaults to all.

        Returns:
            Tensor, optional: Broadcasts to ``embeds``; None is zero.
        """
        return None

    def note_length(self, length: int | Tensor) -> None:
        """Note that inputs of up to this length are trained on, for a
        module that cares."""


# What each kind is for, and how it is written.
PLACES = {
    BasePrompt: ('is a prompt learner', "backbone=dict(type='PromptedCLIP', "
                 "prompt=dict(type={name!r}, ...))"),
    PromptModule: ('is a prompt module', "prompt=dict(type='TowerPrompts', "
                   'text=[dict(type={name!r}, ...)]) for the text tower of a '
                   'CLIP, image=[...] for its image tower'),
}


def check_kind(where: str, config: Mapping, kind: type) -> type:
    """Return the class that a config names, if it is of the wanted kind.

    Args:
        where (str): Where the config stands; for the message.
        config (Mapping): Its ``type`` is a class or a registered name.
        kind (type): ``BasePrompt`` or ``PromptModule``.

    Raises:
        DeptError: If it is of another kind; the message says what to write.
    """
    name = given = config.get('type')
    found = MODELS.get(given) if isinstance(given, str) else given
    if isinstance(found, type):
        if issubclass(found, kind):
            return found
        name = found.__name__
        for other, (what, how) in PLACES.items():
            if issubclass(found, other):
                raise DeptError(f'{where}: {name} {what} and does not go '
                                f'here. Write {how.format(name=name)}.')
    known = sorted(n for n, c in MODELS.module_dict.items()
                   if isinstance(c, type) and issubclass(c, kind))
    raise DeptError(f'{where}: {name!r} is none of the classes that go here: '
                    f'{", ".join(known)}.')
