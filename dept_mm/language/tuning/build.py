"""Build a method that tunes a language model itself."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.tuning.base import LanguageTuning
from dept_mm.language.tuning.budget import fit_budget
from dept_mm.registry import MODELS


def list_foldable() -> list[str]:
    """List the methods whose result can be folded into weights."""
    return sorted(
        name for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, LanguageTuning)
        and kind.fold is not LanguageTuning.fold)


def build_tuning(config: Mapping, lm: FrozenLanguageModel,
                 parts: Sequence[nn.Module], budget: int | None = None
                 ) -> LanguageTuning:
    """Put a method into a language model.

    Args:
        config (Mapping): Its ``type`` and options.
        lm (FrozenLanguageModel): The model, which is changed.
        parts (Sequence[nn.Module]): Modules that the head uses beside the
            tower.
        budget (int, optional): See ``PromptedLanguageModel``.

    Raises:
        DeptError: If it is no such method, or does not fit.
    """
    config = dict(config)
    name = config.get('type')
    kind = MODELS.get(name) if isinstance(name, str) else name
    if not (isinstance(kind, type) and issubclass(kind, LanguageTuning)):
        known = sorted(n for n, c in MODELS.module_dict.items() if isinstance(
            c, type) and issubclass(c, LanguageTuning))
        raise DeptError(f'tuning: {name!r} is not one of {", ".join(known)}.')

    def build(**size: int) -> LanguageTuning:
        trial = lm.share()
        places = dict(zip(lm.model.modules(), trial.model.modules(),
                          strict=True))
        return MODELS.build(dict(
            config, **size, lm=trial,
            parts=(*trial.tower.parts, *(places[p] for p in parts))))

    if budget is not None:
        config.update(fit_budget(kind.__name__, kind.size, build, budget))
    return MODELS.build(dict(config, lm=lm, parts=(*lm.tower.parts, *parts)))
