"""Build the prompts of a language model."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from dept_mm.errors import DeptError
from dept_mm.language.frozen import FrozenLanguageModel
from dept_mm.language.tuning import fit_budget
from dept_mm.models.prompts import (
    LatePrompt,
    PromptModule,
    check_kind,
    sample_rows,
)
from dept_mm.registry import MODELS


def build_prompts(configs: Sequence[Mapping], lm: FrozenLanguageModel,
                  max_length: int, budget: int | None = None
                  ) -> tuple[nn.Module | None, nn.ModuleList]:
    """Build the prompts of a language model.

    Args:
        configs (Sequence[Mapping]): Configs of at most one input prompt
            (``SoftPrompt``, ``DecomposedPrompt`` or ``ADePTPrompt``) and any
            number of late prompts after different blocks. ``embed_dims`` is
            filled in. With ``init=dict(text='...')`` a prompt starts from the
            embeddings of a text, with ``init=dict(vocab=SEED)`` from those of
            frequent words.
        lm (FrozenLanguageModel): The model.
        max_length (int): Largest number of tokens of an input.
        budget (int, optional): See ``PromptedLanguageModel``.

    Returns:
        tuple[nn.Module | None, nn.ModuleList]: The input prompt and the late
        prompts.

    Raises:
        DeptError: If they do not fit the model or each other.
    """
    first, late = None, nn.ModuleList()
    for config in configs:
        prompt = _build_prompt(config, lm, budget)
        if isinstance(prompt, LatePrompt):
            _check_layer(prompt, late, lm)
            late.append(prompt)
        elif first is not None:
            raise DeptError('prompts: at most one prompt of the input; '
                            f'{type(first).__name__} and '
                            f'{type(prompt).__name__} are given.')
        else:
            first = prompt
    _check_length(first, max_length, lm)
    return first, late


def _build_prompt(config: Mapping, lm: FrozenLanguageModel,
                  budget: int | None) -> nn.Module:
    """Build a prompt of the model's width."""
    kind = check_kind('PromptedLanguageModel(prompts=[...])', config,
                      PromptModule)

    def build(**size: int) -> nn.Module:
        options = dict(config, embed_dims=lm.tower.width, **size)
        init = options.get('init')
        if isinstance(init, Mapping):
            options['init'] = _make_initial_rows(options, lm, **init)
        return MODELS.build(options)

    if budget is None:
        return build()
    config = {k: v for k, v in config.items() if k != kind.size}
    return build(**fit_budget(kind.__name__, kind.size, build, budget))


def _make_initial_rows(options: Mapping, lm: FrozenLanguageModel,
                       text: str | None = None, vocab: int | None = None
                       ) -> Tensor:
    """Make the embeddings that a prompt starts from, ``(m, W)``."""
    table = lm.tower.words.weight
    if text is not None:
        ids, = lm.tokenize([text])
        return table[ids]
    return sample_rows(table, options['num_tokens'], vocab,
                       lm.tokenizer.all_special_ids)


def _check_layer(prompt: LatePrompt, others: Sequence[LatePrompt],
                 lm: FrozenLanguageModel) -> None:
    """Check that a late prompt has a place."""
    blocks = len(lm.tower.blocks)
    if prompt.layer >= blocks or prompt.layer in [p.layer for p in others]:
        raise DeptError(
            f'LatePrompt: layer {prompt.layer} is taken, or no block '
            f'follows it; {lm.name!r} has {blocks} blocks.')


def _check_length(prompt: nn.Module | None, max_length: int,
                  lm: FrozenLanguageModel) -> None:
    """Refuse inputs that exceed the positions or the offsets."""
    count = getattr(prompt, 'num_tokens', 0)
    most = lm.tower.max_length
    if most is not None and max_length + count > most:
        raise DeptError(
            f'max_length {max_length} and {count} prompt tokens are more '
            f'than the {most} positions of {lm.name!r}.')
    offsets = getattr(prompt, 'max_length', max_length)
    if offsets < max_length and prompt.overflow == 'error':
        raise DeptError(
            f'DecomposedPrompt: max_length {offsets} is less than that '
            f"of the model, {max_length}. Raise it, or set overflow='none'"
            ' to leave the tokens beyond it without an offset.')
