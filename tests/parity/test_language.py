"""Decomposed, Adaptive-Decomposed and Late prompts on language models give
what the papers' public code gives on fixed weights."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

pytest.importorskip('transformers')
from language_models import draw, make, tokenizer
from reference_clip import REFERENCE

from dept_mm.language import (
    FrozenLanguageModel,
    PromptedLanguageModel,
    Tokens,
)

ENCODER = 'prompt_encoder.default.'
GENERATOR = 'roberta.encoder.prompt_generator.'
# Our parameter -> its name in the public code.
PUBLIC = dict(
    decomposed_t5={
        'input_prompt.soft.prompt_tokens': ENCODER + 'embedding.weight',
        'input_prompt.offset_a': ENCODER + 'lora_embedding_A',
        'input_prompt.offset_b': ENCODER + 'lora_embedding_B'},
    adept_t5={
        'input_prompt.soft.prompt_tokens': ENCODER + 'embedding.weight',
        'input_prompt.offset_down.weight': ENCODER + 'lora_embedding_A',
        'input_prompt.offset_down.bias': ENCODER + 'lora_embedding_a',
        'input_prompt.offset_up.weight': ENCODER + 'lora_embedding_B',
        'input_prompt.offset_up.bias': ENCODER + 'lora_embedding_b'},
    lpt_roberta_static={
        'late_prompts.0.late_tokens': 'prompt_embedding.weight'},
)
PUBLIC['lpt_gpt2_static'] = PUBLIC['lpt_roberta_static']
for kind in ('npg', 'appg', 'mppg'):
    PUBLIC[f'lpt_gpt2_{kind}'] = {
        f'late_prompts.0.late_{way}.{leaf}':
            f'transformer.prompt_generator.proj_{way}.{leaf}'
        for way in ('down', 'up') for leaf in ('weight', 'bias')}
    PUBLIC[f'lpt_roberta_{kind}'] = {
        f'late_prompts.0.late_{way}.{leaf}': f'{GENERATOR}proj_{way}.{leaf}'
        for way in ('down', 'up') for leaf in ('weight', 'bias')}
LATE = dict(type='LatePrompt', layer=2, num_tokens=5, bottleneck=16)
# File -> option of the public code for GPT-2; see make_lpt_gpt2.py.
GPT2_CASES = {
    f'lpt_gpt2_{kind or "static"}': dict(generator_type=kind and kind.upper())
    for kind in (None, 'npg', 'appg', 'mppg')}
PROMPTS = dict(
    decomposed_t5=dict(type='DecomposedPrompt', num_tokens=6, rank=4,
                       max_length=16),
    adept_t5=dict(type='ADePTPrompt', num_tokens=6, rank=4),
    **{f'lpt_{family}_static': LATE for family in ('roberta', 'gpt2')},
    **{f'lpt_{family}_{kind}': dict(LATE, generator=kind)
       for family in ('roberta', 'gpt2')
       for kind in ('npg', 'appg', 'mppg')})


def frozen_value(name, shape):
    """Value of the language model's parameter with this name."""
    x = draw(name, shape)
    if 'LayerNorm' in name or name.startswith('lm_head.layer_norm'):
        return 1 + .1 * x if name.endswith('weight') else .1 * x
    if 'layer_norm' in name or '.ln_' in name and name.endswith('weight'):
        return 1 + .1 * x
    if name.endswith('bias'):
        return .02 * x
    if 'relative_attention_bias' in name or 'embeddings' in name:
        return .2 * x
    return x if name.startswith('shared') else x / np.sqrt(shape[-1])


def trainable_value(name, shape, family):
    """Value of the trainable parameter with this public-code name."""
    x = draw('train.' + name, shape)
    x = .02 * x if 'prompt_embedding' in name else x / np.sqrt(shape[-1])
    return torch.from_numpy(.3 * x if family == 't5' and len(shape) == 1
                            else x).float()


def fill(model, skip=()):
    """Fill parameters by their names; returns the names. Where some are
    skipped, the others are learned."""
    names = [k for k, _ in model.named_parameters() if k not in skip]
    for name in names:
        parameter = model.get_parameter(name)
        shape = tuple(parameter.shape)
        value = (trainable_value(name, shape, 'gpt2') if skip else
                 torch.from_numpy(frozen_value(name, shape)))
        parameter.data.copy_(value)
    return names


def close(ours, theirs, relative):
    theirs = torch.as_tensor(theirs)
    torch.testing.assert_close(
        ours.detach().to(theirs.dtype), theirs, rtol=0,
        atol=float(relative * theirs.abs().max()))


@pytest.fixture(params=PROMPTS)
def case(request):
    """Model, learned parameters and reference outputs of one file."""
    name = request.param
    family = next(f for f in ('t5', 'roberta', 'gpt2') if f in name)
    with np.load(REFERENCE / f'{name}.npz') as file:
        expected = {k: file[k] for k in file.files}
    plain = make(family)
    if family == 't5':
        plain.config.pad_token_id = 0
    found = {k for k, _ in plain.named_parameters()}
    for key in map(str, expected['frozen']):
        parameter = plain.get_parameter(key)
        parameter.data.copy_(torch.from_numpy(
            frozen_value(key, tuple(parameter.shape))))
        found.discard(key)
    assert not found
    lm = FrozenLanguageModel(plain, tokenizer(family), name)
    head = 'CausalLMHead' if family == 'gpt2' else 'LinearTextHead'
    model = PromptedLanguageModel(
        lm, dict(type=head, task='sst2'), [PROMPTS[name]],
        max_length=16).eval()
    learned = {}
    for ours, theirs in PUBLIC[name].items():
        parameter = model.get_parameter(ours)
        learned[theirs] = parameter, 'offset_' in ours and ours.endswith(
            'weight')
        shape = tuple(parameter.T.shape if learned[theirs][1]
                      else parameter.shape)
        value = trainable_value(theirs, shape, family)
        parameter.data.copy_(value.T if learned[theirs][1] else value)
    assert sorted(learned) == sorted(map(str, expected['trainable']))
    return model, learned, expected


def test_loss_logits_gradients(case):
    model, learned, expected = case
    if model.lm.family == 'gpt2':
        scores, loss = score_ends(model, expected)
    else:
        scores, loss = score_labels(model, expected)
    close(scores, expected['logits'], 1e-4)
    close(loss, expected['loss'], 1e-4)
    loss.backward()
    for key, (parameter, turned) in learned.items():
        grad = parameter.grad.T if turned else parameter.grad
        close(grad, expected[f'grad/{key}'], 1e-3)


def score_ends(model, given):
    """Scores of all words at each token and prompt, and the loss of the ends
    of sentences."""
    ids, mask, end, last = (torch.from_numpy(given[key]) for key in (
        'input_ids', 'attention_mask', 'loss_mask', 'seq_lengths'))
    place = torch.arange(ids.shape[1])
    # The public code pools the tokens before the last, and calls them all.
    pooled = model.late_prompts[0].generator in ('appg', 'mppg')
    read = place < (last + (not pooled))[:, None]
    tokens = Tokens(ids, mask.bool())
    out = model.encode(tokens, read)
    ahead = (place < end.argmax(1)[:, None]).sum(1)
    loss = model.head.compute_nll(lambda *_: out, tokens, ahead).mean()
    return model.lm.score_words(out.hidden), loss


def score_labels(model, given):
    """Scores of all words where an answer is read, and their loss."""
    ids, mask, labels = (torch.from_numpy(given[key]) for key in (
        'input_ids', 'attention_mask', 'labels'))
    out = model.encode(Tokens(ids, mask.bool()))
    if model.lm.has_decoder:
        scores = model.lm.model(encoder_outputs=(out.hidden, ), labels=labels,
                                attention_mask=out.mask.long()).logits
    else:
        rows = torch.arange(len(ids))
        place = torch.from_numpy(given['mask_pos']) + out.shift
        scores = model.lm.score_words(out.hidden[rows, place])
    return scores, F.cross_entropy(scores.flatten(0, -2), labels.flatten())
