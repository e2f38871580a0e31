"""Public checkpoints, converted, give the public code's logits.

Each is built as the public trainers save it: names and frozen entries of
that code, the optimiser's state, and a scheduler that pickles live objects.
"""
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from open_clip import SimpleTokenizer
from reference_clip import (
    BASE,
    NEW,
    REFERENCE,
    reference_clip,
    trainable_value,
    write_clip,
)
from run_tool import run_tool
from test_hosts import PROMPTS, close
from torch import nn

from dept_mm.errors import DeptError
from dept_mm.exchange import import_checkpoint, load_adapter
from dept_mm.models.clip import build_clip

TOOL = Path(__file__).parents[2] / 'tools' / 'import_checkpoint.py'
LEARNER = 'prompt_learner.'
# What stands between the learned tokens and the class name.
REST = dict(maple='of a ')
CASES = [name for name in PROMPTS if name not in ('coop_csc', )]


@pytest.fixture(scope='module')
def clip_config(tmp_path_factory):
    """The reference CLIP as a folder."""
    config = write_clip(tmp_path_factory.mktemp('reference'))
    shared = build_clip(config)  # read once: models of a process share it
    yield config
    assert build_clip(config) is shared


@pytest.fixture(scope='module')
def frozen(clip_config):
    """Weights of the reference CLIP."""
    return reference_clip().model.state_dict()


@cache
def tokenizer():
    return SimpleTokenizer()


def text_suffix(frozen, host, tokens):
    """Embeddings of what follows the context, all 77 tokens long."""
    encode, rows = tokenizer().encode, []
    for name in BASE:
        ids = [49406, *[343] * tokens,
               *encode(REST.get(host, '') + name + '.'), 49407]
        rows.append(ids + [0] * (77 - len(ids)))
    table = frozen['text.token_embedding.weight']
    embedded = table[torch.tensor(rows)]
    return embedded[:, :1], embedded[:, 1 + tokens:]


def public_state(name, expected, frozen):
    """The state dict that the public trainer of a case saves."""
    host = name.split('_')[0]
    saved = {key: trainable_value(key, shape_of(key, expected))
             for key in expected['trainable'].tolist()}
    tokens = saved[LEARNER + 'ctx'].shape[-2]
    prefix, suffix = text_suffix(frozen, host, tokens)
    saved |= {LEARNER + 'token_prefix': prefix,
              LEARNER + 'token_suffix': suffix}
    if host == 'kgcoop':
        saved |= {LEARNER + 'bias_vectors': torch.zeros(1, 512),
                  LEARNER + 'meta_net.linear1.weight': torch.ones(32, 512)}
    if name == 'kgcoop_dept':
        saved |= {'meta_net.linear1.weight': torch.ones(32, 512),
                  'adapter.fc.0.weight': torch.ones(128, 512)}
    if host in ('maple', 'promptsrc') or name.endswith('_dept'):
        saved['logit_scale'] = frozen['logit_scale']
        for key, value in frozen.items():
            tower, _, rest = key.partition('.')
            if rest and 'token_embedding' not in rest:
                tower = dict(visual='image', text='text')[tower]
                saved[f'{tower}_encoder.{rest}'] = value
        if host == 'promptsrc':
            saved |= {f'{LEARNER}ZS_{key}': value for key, value in
                      saved.items() if key.startswith('image_encoder.')
                      and 'VPT' not in key}
        return saved
    return {key.removeprefix(LEARNER): v for key, v in saved.items()}


def shape_of(key, expected):
    """Shapes of large parameters are not in the file."""
    shapes = {
        LEARNER + 'proj.weight': (768, 512),
        LEARNER + 'compound_prompt_projections.0.weight': (768, 512),
        LEARNER + 'compound_prompt_projections.1.weight': (768, 512)}
    if f'grad/{key}' in expected:
        return expected[f'grad/{key}'].shape
    return shapes[key]


def save_as_dassl(path, state):
    """With everything else that Dassl's trainer puts beside it."""
    parameter = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([parameter], lr=.1, momentum=.9)
    parameter.sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    torch.save(dict(state_dict=state, epoch=10,
                    optimizer=optimizer.state_dict(),
                    scheduler=dict(successor=scheduler, warmup_epoch=1),
                    val_result=None), path)


def config(name, clip):
    vocabulary = dict(names=BASE + NEW, base=BASE)
    head = dict(type='CLIPHead')
    if name.endswith('_dept'):
        head = dict(type='DePTHead', vocabulary=vocabulary, clip=clip)
    return Config(dict(model=dict(
        type='ImageClassifier', head=head,
        backbone=dict(type='PromptedCLIP', clip=clip, vocabulary=vocabulary,
                      prompt=PROMPTS[name]))))


@pytest.fixture
def case(request, clip_config, frozen, tmp_path):
    """Name, reference outputs, state dict, source, target and config."""
    name = getattr(request, 'param', 'coop_dept')
    with np.load(REFERENCE / f'{name}.npz') as file:
        expected = {key: file[key] for key in file.files}
    return (name, expected, public_state(name, expected, frozen),
            tmp_path / 'model.pth.tar-10', tmp_path / 'x.safetensors',
            config(name, clip_config))


@pytest.mark.parametrize('case', CASES, indirect=True)
def test_gives_the_logits_of_the_public_code(case, clip_config):
    name, expected, state, source, target, cfg = case
    save_as_dassl(source, state)
    report = import_checkpoint(source, target, cfg)
    assert 'torch.optim.sgd.SGD' in report[0]
    learned = sum(state.get(key, state.get(key.removeprefix(LEARNER))).numel()
                  for key in expected['trainable'].tolist())
    assert f'taken: {learned} learned' in report[1]
    assert 'the same 5 class names in the same order' in report[2]
    for half, names in dict(base=BASE, new=NEW).items():
        model = load_adapter(target, names, clip=clip_config)
        with torch.no_grad():
            logits = model(torch.from_numpy(expected['images']))
        close(logits, expected[f'logits_{half}'], 1e-4)


def test_half_precision_and_data_parallel(case, clip_config):
    """As the public code stores it by default: fp16, maybe 'module.'."""
    _, expected, state, source, target, cfg = case
    save_as_dassl(source, {f'module.{k}': v.half() for k, v in state.items()})
    import_checkpoint(source, target, cfg)
    model = load_adapter(target, BASE, clip=clip_config)
    with torch.no_grad():
        logits = model(torch.from_numpy(expected['images']))
    close(logits, expected['logits_base'], 1e-2)


def change(**changes):
    return lambda state: state.update(changes)


@pytest.mark.parametrize('spoil, culprit', [
    (lambda s: s.pop('film_lp_img.scale'), "no 'film_lp_img.scale'"),
    (change(extra=torch.ones(1)), "not explained.*'extra'"),
    (change(**{'linear_probe_proj.bias': torch.ones(7)}),
     r'linear_probe_proj.bias is \(7,\).*\(5,\)'),
    (lambda s: s[LEARNER + 'token_suffix'].copy_(
        s[LEARNER + 'token_suffix'].flip(0)), 'another order: 4 of 5'),
    (lambda s: s.update({LEARNER + 'token_suffix':
                         s[LEARNER + 'token_suffix'][:4]}), 'on 4 classes'),
    (lambda s: s.update({'text_encoder.text_projection':
                         s['text_encoder.text_projection'] + 1}),
     "frozen CLIP is not the config's.*text_projection"),
    (lambda s: s.update({LEARNER + 'meta_net.linear1.weight':
                         torch.ones(32, 512)}), 'not explained.*meta_net'),
    (change(**{'linear_probe_proj.bias': [1, 2]}), 'state_dict of tensors'),
    (change(**{'linear_probe_proj.bias': torch.full((5, ), np.inf)}),
     'not finite'),
])
def test_refuses_what_it_cannot_explain(case, spoil, culprit):
    _, _, state, source, target, cfg = case
    state = {key: value.clone() for key, value in state.items()}
    spoil(state)
    save_as_dassl(source, state)
    with pytest.raises(DeptError, match=culprit):
        import_checkpoint(source, target, cfg)
    assert not target.exists()


def test_a_dept_checkpoint_needs_a_dept_head(case, clip_config):
    _, _, state, source, target, _ = case
    save_as_dassl(source, state)
    with pytest.raises(DeptError, match='film_lp.*needs a DePTHead'):
        import_checkpoint(source, target, config('coop', clip_config))


def test_the_tool(case, tmp_path):
    _, _, state, source, target, cfg = case
    save_as_dassl(source, state)
    cfg.dump(tmp_path / 'config.py')
    run = ['import_checkpoint.py', source, target, '--config',
           tmp_path / 'config.py']
    done = run_tool(*run)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f'written: {target}'
    assert target.is_file()
    run += ['--cfg-options', 'model.backbone.prompt.num_tokens=4']
    done = run_tool(*run)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith('error: ')
    assert '(16, 512)' in done.stderr and '(4, 512)' in done.stderr


def test_a_folder_of_many(case, tmp_path):
    """The last of each run; what cannot be imported is named at the end."""
    _, _, state, _, _, cfg = case
    cfg.dump(tmp_path / 'config.py')
    for place in ('seed1/prompt_learner/model.pth.tar-9',
                  'seed1/prompt_learner/model.pth.tar-10',
                  'seed2/prompt_learner/model.pth.tar-10',
                  'seed3/lora_weights.pt'):
        path = tmp_path / 'output' / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if place.startswith('seed1') and place.endswith('10'):
            save_as_dassl(path, state)
        else:
            path.write_bytes(b'damaged')
    out = tmp_path / 'out'
    run = ['import_checkpoint.py', tmp_path / 'output', out, '--config',
           tmp_path / 'config.py']
    done = run_tool(*run)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f'written: {out}/seed1-prompt_learner.safetensors',
        f'1 of 3 -> {out}']
    assert done.stderr.count('not imported') == 2
    assert f'not imported: {path} ' in done.stderr
    assert {p.name for p in out.iterdir()} == {
        'SHA256SUMS', 'seed1-prompt_learner.safetensors'}
    path.unlink()
    (tmp_path / 'output/seed2/prompt_learner/model.pth.tar-10').unlink()
    assert run_tool(*run).returncode == 0
    run[1] = out
    done = run_tool(*run)
    assert done.returncode == 1 and 'There is no model.pth' in done.stderr
