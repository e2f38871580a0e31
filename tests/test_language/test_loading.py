"""Weights are loaded once, in the dtype they are stored in or any other."""
import pytest
import torch

pytest.importorskip('transformers')
import language_models
from language_models import FAMILIES, build, own, perturb, tokens
from safetensors.torch import load_file, save_file

from dept_mm.errors import DeptError
from dept_mm.language import build_language_model
from dept_mm.language.loading import DTYPES, _load_once

SOFT = dict(type='SoftPrompt', num_tokens=2)
LATE = dict(type='LatePrompt', layer=1, num_tokens=2, generator='npg',
            bottleneck=4)
ADEPT = dict(type='ADePTPrompt', num_tokens=2, rank=2)


@pytest.fixture
def folder(tmp_path):
    return language_models.save('bert', tmp_path)


def dtypes(lm):
    return {p.dtype for p in lm.model.parameters()}


def store(folder, dtype):
    """A model, stored once more in another dtype."""
    language_models.make('bert').to(dtype).save_pretrained(folder)


def test_weights_stay_as_they_are_stored(folder):
    store(folder, torch.bfloat16)
    assert dtypes(build_language_model(dict(name=folder))) == {torch.bfloat16}


@pytest.mark.parametrize('dtype', DTYPES)
def test_weights_as_asked(folder, dtype):
    """A checkpoint fits, because the stored weights are those it knows."""
    plain = build_language_model(dict(name=folder))
    lm = build_language_model(dict(name=folder, dtype=dtype))
    assert dtypes(lm) == {DTYPES[dtype]} and lm.digest == plain.digest
    expected = plain.tower.words.weight.to(DTYPES[dtype])
    assert torch.equal(lm.tower.words.weight, expected)


def take_word_head(path):
    """Leave the word head out of a file; return what stays."""
    stored = {name: value for name, value in load_file(path).items()
              if not name.startswith('cls.')}
    save_file(stored, path, dict(format='pt'))
    return stored


def test_a_run_is_the_same_after_another(folder):
    """Numbers that a run draws do not tell whether its process has loaded
    the model before."""
    take_word_head(f'{folder}/model.safetensors')
    drawn = []
    for _ in range(2):
        torch.manual_seed(0)
        build_language_model(dict(name=folder))
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


def test_weights_that_no_file_holds_do_not_count(folder):
    """They are random, so no other process would know the model again."""
    path, digests = f'{folder}/model.safetensors', []
    stored = take_word_head(path)
    for seed in range(2):
        torch.manual_seed(seed)
        _load_once.cache_clear()
        lm = build_language_model(dict(name=folder))
        digests.append((lm.digest, lm.model.cls.predictions.transform.dense
                        .weight.sum().item()))
    assert digests[0][0] == digests[1][0] and digests[0][1] != digests[1][1]
    stored[next(iter(stored))] += 1
    save_file(stored, path, dict(format='pt'))
    assert build_language_model(dict(name=folder)).digest != digests[0][0]


def test_unknown_dtype(folder):
    with pytest.raises(DeptError, match="'int8' is not one of .*bfloat16"):
        build_language_model(dict(name=folder, dtype='int8'))


def test_a_model_is_loaded_once(folder):
    """Until its files change."""
    one, two = (build_language_model(dict(name=folder)) for _ in range(2))
    weights = [lm.tower.words.weight for lm in (one, two)]
    assert weights[0].data_ptr() == weights[1].data_ptr()
    store(folder, torch.float16)
    assert dtypes(build_language_model(dict(name=folder))) == {torch.float16}


def test_runs_do_not_disturb_each_other(folder):
    """Mode, device and dtype of one are not those of another."""
    one, two = (build_language_model(dict(name=folder)) for _ in range(2))
    one.model.train()
    one.apply(lambda t: t.to('meta'))
    assert not two.model.training and two.device.type == 'cpu'
    three = build_language_model(dict(name=folder))
    assert not three.model.training and three.device.type == 'cpu'
    assert all(b.device.type == 'cpu' for b in three.model.buffers())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('family', FAMILIES)
def test_learned_parts_stay_in_fp32(family, dtype):
    """Beside weights of 16 bits; outputs are near those in fp32."""
    lm = build(family).lm
    for prompts in ([SOFT, LATE], [ADEPT]):
        plain, half = (perturb(language_models.build_on(
            model, *prompts)) for model in (lm, lm.share(dtype)))
        half.load_state_dict(plain.state_dict())
        with torch.no_grad():
            expected, found = (own(m.encode(tokens()))
                               for m in (plain, half))
        assert found.dtype == dtype
        assert (found - expected).abs().mean() < .02 * expected.abs().mean()
        own(half.encode(tokens())).float().square().sum().backward()
        for name, parameter in half.named_parameters():
            assert parameter.dtype == torch.float32
            assert name.startswith('head') or parameter.grad.any()


def test_buffers_keep_their_dtype():
    """Rotary frequencies would be wrong in 16 bits."""
    lm = build('llama').lm.share(torch.bfloat16)
    buffers = [b for b in lm.model.buffers() if b.is_floating_point()]
    assert buffers and all(b.dtype == torch.float32 for b in buffers)


def test_what_t5_needs_in_fp32_stays():
    lm = build('t5').lm.share(torch.float16)
    assert {name.rsplit('.', 2)[1] for name, p in lm.model.named_parameters()
            if p.dtype == torch.float32} == {'wo'}


def test_tied_weights_stay_tied():
    lm = build('gpt2').lm.share(torch.bfloat16)
    assert lm.model.lm_head.weight is lm.tower.words.weight
