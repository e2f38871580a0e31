"""Find out which tokens a language model sees, and which are learned."""
from __future__ import annotations

from torch import nn

from dept_mm.reports.explain._layout import make_layer, make_token


def language_layout(model: nn.Module) -> dict:
    """List the tokens of a prompted language model in training.

    An input prompt stands before the tokens of a text; late prompts are put
    before all tokens when their block begins. Deep prompts replace each other.

    Args:
        model (nn.Module): A ``PromptedLanguageModel``.

    Returns:
        dict: ``language``, as ``token_layout`` describes a tower.
    """
    names = {id(p): n for n, p in model.named_parameters()}
    tower, prompt = model.lm.tower, model.input_prompt
    blocks, tokens, offset = len(tower.blocks), [], None
    words = make_token('text', 1, model.head.max_length)
    if prompt is not None:
        own = [n for n in _sources(prompt, names) if 'offset_' not in n]
        tokens = [_learned('prompt', prompt.num_tokens, own)]
        if added := sorted({*_sources(prompt, names)} - {*own}):
            offset = dict(_learned('offset', 1, added, 'token'),
                          count=words['count'])
    tokens.append(words)
    deep = None if model.tuning is None else model.tuning.deep_tokens
    if deep is not None:
        tokens.insert(0, _learned('deep prompt', deep.shape[1],
                                  [names[id(deep)]], 'block'))
    layers, start = [], 0
    for late in sorted(model.late_prompts, key=lambda p: p.layer):
        if late.layer > start:
            layers.append(make_layer(start, late.layer - 1, tokens))
        tokens = [dict(t, new=False) for t in tokens]
        per = None if late.generator == 'none' else 'input'
        tokens.insert(0, dict(_learned(
            'late', late.num_tokens, _sources(late, names), per), new=True))
        start = late.layer
    layers.append(make_layer(start, blocks - 1, tokens))
    return dict(language=dict(
        blocks=blocks, width=tower.width, layers=layers, offset=offset))


def _sources(prompt: nn.Module, names: dict) -> list[str]:
    return sorted(names[id(p)] for p in prompt.parameters())


def _learned(name: str, count: int, sources: list[str],
             per: str | None = None) -> dict:
    state = 'learned' if len(sources) == 1 and per is None else 'computed'
    return dict(make_token(name, count), state=state, sources=sources, per=per)
