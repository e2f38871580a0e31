"""Every config of a language model builds, with a small one in its place."""
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

pytest.importorskip('transformers')
from language_models import BLOCKS, save

from dept_mm.registry import HOOKS, METRICS, MODELS

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = sorted((CONFIGS / 'language').glob('*.py'))
FAMILIES = dict(t5='t5', roberta='roberta', gpt2='gpt2', minilm='bert')
# What the papers count, at the width of their models.
LEARNED = {'decomposed_t5': 76800, 'adept_t5': 76051,
           'soft-prompt_t5': 76800, 'late-npg_roberta': 791680,
           'late-mppg_roberta': 263296, 'late-npg_gpt2': 989568}
# Start of a leaf's name -> learning rate of its offsets in the public code.
OFFSET_RATES = {'decomposed_t5-base_40k': 5e-4, 'adept_t5': 1e-4,
                'decomposed_t5-base_300k': 1e-4}
# Start of a leaf's name -> its paper.
PAPERS = dict(adept='2501.03291', decomposed='2309.05173', late='2210.11292',
              soft='2104.08691')


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp('models')
    return {key: save(family, root / key)
            for key, family in FAMILIES.items()}


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_leaf(path, folders):
    method = path.stem.split('_')[0].split('-')[0]
    assert method == 'linear' or PAPERS[method] in path.read_text()
    cfg = Config.fromfile(path)
    kind = next(key for key in FAMILIES if f'_{key}' in path.stem)
    cfg.model.lm = dict(name=folders[kind])
    cfg.model.max_length = 16
    blocks = BLOCKS[FAMILIES[kind]]
    prompts = cfg.model.get('prompts', [])
    del prompts[blocks - 1:]  # the tiny models have fewer blocks
    for place, prompt in enumerate(prompts, 1):
        prompt.num_tokens = min(prompt.num_tokens, 4)
        if 'layer' in prompt:
            assert prompt.layer < dict(roberta=24, gpt2=36, minilm=6)[kind]
            prompt.layer = blocks - place
        if 'init' in prompt and 'vocab' in prompt.init:
            prompt.init = None  # the tiny vocabulary has few words
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
        for hook in cfg.custom_hooks:
            HOOKS.build(hook)
        METRICS.build(cfg.val_evaluator)
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    groups = wrapper.optimizer.param_groups
    owned = [id(p) for group in groups for p in group['params']]
    assert sorted(owned) == sorted(
        id(p) for p in model.parameters() if p.requires_grad)
    rates = {name: group['lr'] for group in groups for p in group['params']
             for name, q in model.named_parameters() if q is p}
    base = cfg.optim_wrapper.optimizer.lr
    for name, rate in rates.items():
        expected = next((
            rate for key, rate in OFFSET_RATES.items()
            if 'offset_' in name and path.stem.startswith(key)), None)
        if 'minilm' not in path.stem:
            assert rate == pytest.approx(expected or base), name
    # A protocol that selects a checkpoint keeps it.
    checkpoint = cfg.default_hooks.checkpoint
    assert (checkpoint.get('save_best') == 'auto') is (
        cfg.protocol != 'demo')
    last = cfg.param_scheduler[-1]
    assert last.get('end') == cfg.train_cfg.get(
        'max_iters', cfg.train_cfg.get('max_epochs'))


def key_of(path):
    """The key of a leaf in ``LEARNED``."""
    key = '_'.join(path.stem.split('_')[:2])
    return key.removesuffix('-base').removesuffix('-large')


@pytest.mark.parametrize('path', [
    path for path in LEAVES if key_of(path) in LEARNED], ids=key_of)
def test_number_of_parameters(path):
    """At the papers' widths, of the modules alone."""
    key, cfg = key_of(path), Config.fromfile(path)
    width = dict(t5=768, roberta=1024, gpt2=1280)[key.split('_')[1]]
    found = 0
    for prompt in cfg.model.prompts:
        prompt.pop('init', None)
        module = MODELS.build(dict(prompt, embed_dims=width))
        found += sum(p.numel() for p in module.parameters())
    assert found == LEARNED[key]
