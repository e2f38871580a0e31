"""Methods that tune the model itself, in the loop of the prompts."""
import sys

import pytest
import torch
from mmpretrain.structures import DataSample

pytest.importorskip('transformers')
pytest.importorskip('peft')
import peft
from language_models import (
    build,
    build_on,
    make,
    own,
    perturb,
    stock,
    tokenizer,
    tokens,
)

from dept_mm.errors import DeptError
from dept_mm.language import (
    FrozenLanguageModel,
    LanguageTuning,
    build_language_model,
)
from dept_mm.registry import MODELS

METHODS = {
    name: {} for name, kind in sorted(MODELS.module_dict.items())
    if isinstance(kind, type) and issubclass(kind, LanguageTuning)}
METHODS.update(LoRA=dict(r=2), BottleneckAdapters=dict(bottleneck=3),
               DeepPrompts=dict(num_tokens=2))
HEADS = dict(t5='Seq2SeqHead', roberta='MaskedLMHead',
             gpt2='CausalLMHead', llama='CausalLMHead')
NO_BIASES = ('t5', 'llama')
TEXTS = dict(sentence=['the film was great', 'terrible plot of a movie'])


def rivals():
    """Each kind of model with its own head, some with a linear one, too."""
    heads = [(family, head) for family, head in HEADS.items()] + [
        (family, 'LinearTextHead') for family in ('t5', 'roberta')]
    return [(family, method, head) for family, head in heads
            for method in METHODS
            if method != 'BitFit' or family not in NO_BIASES]


def tuned(family, method, head=None, **options):
    return build(family, tuning=dict(type=method, **METHODS[method]),
                 head=dict(type=head or HEADS[family], task='sst2'),
                 **options)


def loss_of(model):
    samples = [DataSample().set_gt_label(i) for i in (1, 0)]
    return model(TEXTS, samples, mode='loss')['loss']


def learned(model):
    return {name: p for name, p in model.tuning.named_parameters()}


@pytest.mark.parametrize('family, method, head', rivals())
def test_every_rival(family, method, head):
    """What is learned is owned, gets gradients and lowers the loss, and is
    all that a checkpoint needs; the frozen weights are those of others."""
    model = tuned(family, method, head)
    plain = model.lm.origin.model
    before = {k: v.clone() for k, v in plain.state_dict().items()}
    perturb(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss = loss_of(model)
    loss.backward()
    owned = {id(p) for p in model.parameters()}
    assert learned(model)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad and parameter.grad is not None, name
    assert all(p.grad is None and not p.requires_grad
               for p in model.lm.model.parameters() if id(p) not in owned)
    optimizer.step()
    assert loss_of(model) < loss
    again = tuned(family, method, head)
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        outputs = [own(m.encode(tokens())) for m in (model, again)]
        assert torch.equal(*outputs)
        assert loss_of(model) == loss_of(again)
    assert all(torch.equal(v, plain.state_dict()[k])
               for k, v in before.items())


@pytest.mark.parametrize('family, method', [
    (family, method) for family in HEADS for method in ('LoRA', 'IA3')])
def test_it_is_peft(family, method):
    """As many parameters as peft counts, and its hidden states."""
    model = tuned(family, method)
    options = dict(METHODS[method])
    config = getattr(peft, model.tuning.kind)(**options)
    theirs = peft.get_peft_model(make(family), config).eval()
    count = sum(p.numel() for p in learned(model).values())
    assert count == theirs.get_nb_trainable_parameters()[0]
    perturb(model)
    found = dict(theirs.named_parameters())
    with torch.no_grad():
        for name, parameter in learned(model).items():
            found[f'base_model.model.{name}'].copy_(parameter)
    given = tokens()
    expected = stock(theirs.base_model.model, given)
    torch.testing.assert_close(own(model.encode(given)),
                               expected[given.mask], rtol=0, atol=1e-5)


@pytest.mark.parametrize('family, method', [
    (family, method) for family, method, head in rivals()
    if head is None or head == HEADS[family]
    if method not in ('BottleneckAdapters', 'DeepPrompts')])
def test_merged(family, method):
    """The library's forward on it gives what the tuned model gives."""
    model = perturb(tuned(family, method))
    merged, given = model.merge(), tokens()
    names = {k for k, _ in make(family).named_parameters()}
    assert {k for k, _ in merged.named_parameters()} == names
    with torch.no_grad():
        torch.testing.assert_close(
            stock(merged, given)[given.mask], own(model.encode(given)),
            rtol=0, atol=1e-4)


def test_a_merged_model_is_saved(tmp_path):
    """As any of transformers, and loads as one."""
    model = perturb(tuned('roberta', 'LoRA'))
    model.merge().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    again = build_on(build_language_model(dict(name=str(tmp_path))))
    with torch.no_grad():
        torch.testing.assert_close(*(
            own(m.encode(tokens())) for m in (again, model)),
            rtol=0, atol=1e-4)


def test_what_cannot_be_merged():
    with pytest.raises(DeptError, match='BottleneckAdapters adds parts'):
        tuned('roberta', 'BottleneckAdapters').merge()
    with pytest.raises(DeptError, match='prompts or no tuning'):
        build('roberta').merge()


def test_numbers_of_parameters():
    """Counted on the model: a RoBERTa of width 64 with 4 blocks."""
    model = make('roberta')
    used = [(name, p.numel()) for name, p in model.named_parameters()]
    expected = dict(
        FullTuning=sum(n for _, n in used),
        BitFit=sum(n for name, n in used if name.endswith('.bias')),
        BottleneckAdapters=4 * 2 * (2 * 64 * 3 + 3 + 64),
        DeepPrompts=4 * 2 * 64)
    for method, count in expected.items():
        found = learned(tuned('roberta', method))
        assert sum(p.numel() for p in found.values()) == count


def test_deep_prompts_by_hand():
    """RoBERTa's blocks one by one, on other tokens each time."""
    model, given = perturb(tuned('roberta', 'DeepPrompts')), tokens()
    base, rows = model.lm.model.roberta, model.tuning.tokens
    mask = torch.cat([torch.ones(3, 2, dtype=torch.bool), given.mask], 1)
    bias = (~mask)[:, None, None] * torch.finfo(torch.float32).min
    x = base.embeddings(given.ids)
    for k, block in enumerate(base.encoder.layer):
        x = block(torch.cat([rows[k].expand(3, -1, -1), x], 1), bias)
        x = (x if torch.is_tensor(x) else x[0])[:, 2:]
    torch.testing.assert_close(own(model.encode(given)), x[given.mask],
                               rtol=0, atol=1e-5)


@pytest.mark.parametrize('method', ['LoRA', 'IA3', 'BottleneckAdapters',
                                    'DeepPrompts'])
@pytest.mark.parametrize('family', ['roberta', 'gpt2', 'llama'])
def test_beside_weights_of_16_bits(family, method):
    """What is learned stays in fp32."""
    lm = FrozenLanguageModel(make(family), tokenizer(family), family).share(
        torch.bfloat16)
    half = perturb(tuned_on(lm, family, method))
    assert own(half.encode(tokens())).dtype == torch.bfloat16
    loss_of(half).backward()
    assert all(p.dtype == torch.float32 and p.grad is not None
               for p in half.parameters())


def tuned_on(lm, family, method):
    return build_on(lm, tuning=dict(type=method, **METHODS[method]),
                    head=dict(type=HEADS[family], task='sst2'))


def test_weights_of_16_bits_are_not_learned():
    lm = build('roberta').lm.share(torch.bfloat16)
    with pytest.raises(DeptError, match="dtype='float32'"):
        tuned_on(lm, 'roberta', 'FullTuning')


def test_what_does_not_fit():
    for family in NO_BIASES:
        with pytest.raises(DeptError, match='BitFit: .* has no such'):
            tuned(family, 'BitFit')
    with pytest.raises(DeptError, match="LoRA: .*'absent'"):
        build('roberta', tuning=dict(type='LoRA',
                                     target_modules=['absent']))
    with pytest.raises(DeptError, match="'LinearTextHead' is not one of Bit"):
        build('roberta', tuning=dict(type='LinearTextHead'))
    with pytest.raises(DeptError, match='leave out the LatePrompt'):
        build('roberta', dict(type='LatePrompt', layer=1, num_tokens=2),
              tuning=dict(type='DeepPrompts'))


def test_checkpoints_say_the_method():
    state = tuned('roberta', 'LoRA').state_dict()
    for tuning in (None, dict(type='LoRA', r=2, lora_alpha=16),
                   dict(type='IA3')):
        with pytest.raises(DeptError, match='The checkpoint has tuning'):
            build('roberta', head=dict(type='MaskedLMHead', task='sst2'),
                  tuning=tuning).load_state_dict(dict(state))


def test_without_peft(monkeypatch):
    monkeypatch.setitem(sys.modules, 'peft', None)
    with pytest.raises(DeptError, match=r'dept-mm\[language\]'):
        tuned('roberta', 'LoRA')
