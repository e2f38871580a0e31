"""Work and memory of the methods, counted on tensors without storage."""
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

transformers = pytest.importorskip('transformers')
sys.path.insert(0, str(Path(__file__).parents[1]))
from dept_mm.language import (  # noqa: E402
    FrozenLanguageModel,
    PromptedLanguageModel,
    Tokens,
)

# Shapes of RoBERTa-large and of T5-base.
LARGE = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
             intermediate_size=4096, max_position_embeddings=514,
             vocab_size=50265, type_vocab_size=1, pad_token_id=1)
BASE = dict(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)
LATE = dict(type='LatePrompt', layer=12, num_tokens=5, generator='npg')


def encoder(family, *prompts):
    """A model on the meta device."""
    with torch.device('meta'):
        if family == 'roberta':
            plain = transformers.RobertaForMaskedLM(
                transformers.RobertaConfig(**LARGE))
        else:
            plain = transformers.T5ForConditionalGeneration(
                transformers.T5Config(**BASE))
        lm = FrozenLanguageModel(plain, None, family)
        return PromptedLanguageModel(
            lm, dict(type='LinearTextHead', task='sst2'), prompts,
            backbone_eval=True)


def cost(model, length, train=True):
    """FLOPs of a step and bytes that are kept for the backward pass,
    parameters left out."""
    given = Tokens(torch.zeros(8, length, dtype=torch.long, device='meta'),
                   torch.ones(8, length, dtype=torch.bool, device='meta'))
    weights = {p.untyped_storage()._cdata for p in (
        *model.lm.model.parameters(), *model.parameters())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage.nbytes(), storage  # stays alive
        return tensor

    model.train(train)
    with FlopCounterMode(display=False) as flops, torch.set_grad_enabled(
            train), torch.autograd.graph.saved_tensors_hooks(
                keep, lambda tensor: tensor):
        hidden = model.encode(given).hidden
        if train:
            hidden[:, 0].sum().backward()
    return flops.get_total_flops(), sum(n for n, _ in kept.values())


def test_late_prompts_save_time_and_memory():
    """T25: bands of the analysis at 128 tokens."""
    soft = cost(encoder('roberta', dict(type='SoftPrompt', num_tokens=20)),
                128)
    late = cost(encoder('roberta', LATE), 128)
    assert 1.45 < soft[0] / late[0] < 1.58
    assert .40 < late[1] / soft[1] < .47


@pytest.mark.parametrize('length, ratio', [(64, 1.60), (128, 1.37),
                                           (256, 1.22)])
def test_a_shorter_prompt_and_offsets_save_time(length, ratio):
    """At the parameters of 100 tokens."""
    soft = encoder('t5', dict(type='SoftPrompt', num_tokens=100))
    short = encoder('t5', dict(type='DecomposedPrompt', num_tokens=40,
                               rank='match:100', max_length=256))
    count = [sum(p.numel() for p in model.input_prompt.parameters())
             for model in (soft, short)]
    assert count == [76800, 76800]
    found = cost(soft, length, False)[0] / cost(short, length, False)[0]
    assert found == pytest.approx(ratio, abs=.015)


@pytest.mark.parametrize('length, ratio', [(64, 1.33), (128, 1.22),
                                           (256, 1.14)])
def test_adaptive_offsets_save_time(length, ratio):
    soft = encoder('t5', dict(type='SoftPrompt', num_tokens=100))
    short = encoder('t5', dict(type='ADePTPrompt', num_tokens=60,
                               rank='match:100'))
    found = cost(soft, length)[0] / cost(short, length)[0]
    assert found == pytest.approx(ratio, abs=.015)
