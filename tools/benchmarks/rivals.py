"""Compare what prompts of language models and their rivals cost in a step.

    python tools/benchmarks/rivals.py [--budget 27648] [--tokens 64]
        [--batch 16] [--rounds 3] [--threads 1]

A BERT with the sizes of MiniLM and random weights; every method gets the same
number of learned parameters, where it has a choice. The table holds the
parameters, the arithmetic and the bytes kept for the backward pass, counted on
tensors without storage, and the time of a training step on the CPU, which
other programs on the machine do not change.
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from _benchmark.measure import Part, measure_costs

from dept_mm.language import (
    FrozenLanguageModel,
    PromptedLanguageModel,
    Tokens,
)
from dept_mm.language.loading import import_transformers
from dept_mm.reports.counting import count

SIZE = dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
            intermediate_size=1536)
METHODS = {
    'linear': {},
    'SoftPrompt': dict(prompts=[dict(type='SoftPrompt')]),
    'DecomposedPrompt': dict(prompts=[dict(
        type='DecomposedPrompt', num_tokens=8, max_length=64)]),
    'ADePTPrompt': dict(prompts=[dict(type='ADePTPrompt', num_tokens=12)]),
    'LatePrompt': dict(prompts=[dict(
        type='LatePrompt', layer=3, num_tokens=5, generator='mppg')]),
    **{name: dict(tuning=dict(type=name)) for name in (
        'DeepPrompts', 'IA3', 'BitFit', 'LoRA', 'BottleneckAdapters',
        'FullTuning')}}
UNLIMITED = 'linear', 'FullTuning'  # whatever the budget


def build(name: str, budget: int) -> PromptedLanguageModel:
    """Build a model with a method."""
    hf = import_transformers()
    torch.manual_seed(0)
    lm = FrozenLanguageModel(hf.BertModel(hf.BertConfig(**SIZE)), None, 'BERT')
    return PromptedLanguageModel(
        lm, dict(type='LinearTextHead', task='sst2'), max_length=64,
        budget=None if name in UNLIMITED else budget, **METHODS[name])


def make_step(model: PromptedLanguageModel, args: argparse.Namespace,
              device: str) -> Callable[[], None]:
    """Make a training step without its optimizer."""
    ids = torch.zeros(args.batch, args.tokens, dtype=torch.long,
                      device=device)
    return partial(_step, model.to(device).train(), Tokens(ids, ids == 0))


def _step(model: PromptedLanguageModel, tokens: Tokens) -> None:
    pooled = model.head.pool_states(model.encode(tokens))
    model.head.linear(pooled).sum().backward()


def measure_counts(name: str, args: argparse.Namespace) -> dict:
    """Count parameters, arithmetic and kept bytes of a method."""
    model = build(name, args.budget)
    learned = sum(p.numel() for key, p in model.named_parameters()
                  if not key.startswith('head'))
    step = make_step(model, args, 'meta')
    found, _ = count(step, [*model.lm.model.parameters(),
                            *model.parameters()])
    return dict(learned=learned, flop=found.forward, kept=found.kept)


def format_row(name: str, counted: Mapping, plain: Mapping, seconds: float,
               soft: float) -> str:
    """Format a line of the table."""
    cells = [name, f'{counted["learned"]:,}',
             f'{counted["flop"] / plain["flop"]:.2f}',
             f'{counted["kept"] / 2**20:.1f}', f'{seconds / soft:.2f}']
    return f'| {" | ".join(cells)} |'


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--budget', type=int, default=27648)
    parser.add_argument('--tokens', type=int, default=64)
    parser.add_argument('--batch', type=int, default=16)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    counted = {name: measure_counts(name, args) for name in METHODS}
    steps = [[Part(make_step(build(name, args.budget), args, 'cpu'))]
             for name in METHODS]
    times = [found.seconds for found in measure_costs(
        steps, args.rounds, (), time.process_time)]
    soft = dict(zip(METHODS, times, strict=True))['SoftPrompt']
    print('| method | learned parameters | FLOP, of soft prompt | '
          'kept MiB | time, of soft prompt |\n|---|---|---|---|---|')
    for name, seconds in zip(METHODS, times, strict=True):
        print(format_row(name, counted[name], counted['SoftPrompt'], seconds,
                         soft), flush=True)


if __name__ == '__main__':
    main()
