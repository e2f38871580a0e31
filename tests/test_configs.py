"""Leaf configs: short, named by themselves, and built of parts that fit.

A config of DePT must be its host with another head. So each host is built
once, with a CLIP of twelve small blocks and two classes in place of the data.
"""
import json
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config, DictAction
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from dept_mm.config import apply_options, read_config
from dept_mm.models import DePTHead
from dept_mm.models.clip import build_clip
from dept_mm.registry import HOOKS, MODELS, PARAM_SCHEDULERS
from dept_mm.reports.explain import replace_datasets

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
ALL = sorted(str(path.relative_to(CONFIGS))
             for path in CONFIGS.glob('[!_]*/*.py'))
# Language models need transformers; see tests/test_language.
LEAVES = [leaf for leaf in ALL if not leaf.startswith('language/')]
DEPT = [leaf for leaf in LEAVES if leaf.startswith('dept/')]
SMALL = dict(width=32, layers=12)


@cache
def resolved(leaf):
    """A leaf's content."""
    return Config.fromfile(CONFIGS / leaf).to_dict()


# Host -> other weights of DePT's losses. The only public code of
# PromptSRC+DePT has 0.6 CE + 0.7 CE + consistency; MMRL's own is 0.7 CE.
WEIGHTS = dict(
    promptsrc=dict(similarity_weight=.6),
    mmrl=dict(similarity_weight=.21,
              loss=dict(type='CrossEntropyLoss', loss_weight=1.)))


def test_there_are_few():
    assert len(ALL) < 110


@pytest.mark.parametrize('leaf', ALL)
def test_text(leaf):
    """What it is, the paper, and a command that runs this file."""
    lines = (CONFIGS / leaf).read_text().splitlines()
    assert len(lines) <= 20
    code = next(i for i, line in enumerate(lines) if line[0] != '#')
    comment = ' '.join(line.strip('#\\ ') for line in lines[:code])
    assert re.search(rf'python tools/(train|test)\.py configs/{leaf}$',
                     comment)
    # MultiModalAdapter's paper is in the proceedings only.
    assert ('https://arxiv.org/abs/' in comment or 'linear_minilm' in leaf
            or 'https://openaccess.thecvf.com/' in comment)
    assert not any('#' in line for line in lines[code:])
    if leaf not in DEPT:
        assert 'DePTHead' not in ''.join(lines)


@pytest.mark.parametrize('leaf', DEPT)
def test_dept_is_another_head_of_its_host(leaf):
    """And nothing else; the host's losses stay."""
    base, = re.findall(r"'\.\./([^_].+\.py)'", (CONFIGS / leaf).read_text())
    mine, host = resolved(leaf), resolved(base)
    head, old = mine['model']['head'], host['model']['head']
    assert mine == dict(host, model=dict(host['model'], head=head))
    weights = next((w for name, w in WEIGHTS.items() if name in leaf), {})
    assert head == dict(
        old, type='DePTHead', clip=mine['clip'],
        vocabulary=mine['model']['backbone']['vocabulary'], **weights)


@pytest.mark.parametrize('leaf', [
    leaf for leaf in LEAVES if leaf.endswith('p16_16shot_caltech101-b2n.py')
    and 'tip-adapter' not in leaf and not leaf.startswith('probes/')])
def test_recipe_of_the_paper(leaf):
    """Any host, with or without DePT, has it for two options."""
    mine = read_config(CONFIGS / leaf, recipe='dept_paper_10e',
                       clip='vit-base-p16_pure-fp16')
    common = Config(resolved(leaf))
    model = json.dumps(mine.model.to_dict())
    assert model.count('openai') == model.count('"pure_fp16"')
    assert json.loads(model.replace(', "precision": "pure_fp16"', '')) == (
        common.model.to_dict())
    assert mine.param_scheduler[0].type == 'AbsoluteWarmupLR'
    keys = mine.optim_wrapper.paramwise_cfg.custom_keys
    assert keys.head == dict(lr_mult=6.5) and not any(
        'transform' in key for key in keys)
    assert mine.train_dataloader == common.train_dataloader
    assert mine.optim_wrapper.optimizer == common.optim_wrapper.optimizer


@pytest.mark.parametrize('leaf', [
    leaf for leaf in LEAVES if leaf.endswith('imagenet-xd.py')])
def test_one_training_serves_both_tests_of_imagenet(leaf):
    """Across data sets, and on data sets of the same classes."""
    across, same = (resolved(leaf.replace('xd', kind)) for kind in
                    ('xd', 'dg'))
    assert len(across.pop('targets')) == 10
    assert list(same.pop('targets')) == [
        f'imagenet-{kind}' for kind in ('v2', 'sketch', 'a', 'r')]
    for key in ('protocol', 'val_cfg', 'test_cfg'):
        assert across.pop(key) != same.pop(key)
    assert across == same


@pytest.mark.parametrize('leaf', LEAVES)
def test_schedule_lasts(leaf):
    cfg = Config(resolved(leaf))
    if not cfg.param_scheduler:
        assert cfg.train_cfg.type == 'TrainingFreeLoop'
        return
    last = cfg.param_scheduler[-1]
    end = last.get('end', last.get('begin', 0) + last.T_max)
    assert end >= cfg.train_cfg['max_epochs' if cfg.train_cfg.by_epoch
                                else 'max_iters']


@pytest.fixture(scope='module')
def small_clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clip')
    (folder / 'open_clip_config.json').write_text(json.dumps(dict(
        model_cfg=dict(
            embed_dim=16, text_cfg=dict(
                SMALL, context_length=77, vocab_size=49408, heads=2),
            vision_cfg=dict(SMALL, image_size=32, patch_size=16,
                            head_width=16)),
        preprocess_cfg=dict(mean=[.5] * 3, std=[.25] * 3))))
    config = dict(name=f'local-dir:{folder}', pretrained='random')
    kept = build_clip(config)  # models share it while it is kept
    yield config
    del kept


# Data sets of ImageNet's classes are tested on the model of the other leaf.
@pytest.mark.parametrize('leaf', [
    leaf for leaf in LEAVES if leaf not in DEPT
    and not leaf.endswith('-dg.py')])
def test_host_builds(leaf, small_clip):
    """Its model, hooks, optimiser and schedule; DePT's head fits, too."""
    cfg = Config.fromfile(CONFIGS / leaf)
    apply_options(cfg, dict(clip=small_clip))
    replace_datasets(cfg, ('cat', 'dog'), 20)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
        for hook in cfg.custom_hooks:
            HOOKS.build(hook)
        learned = [p for p in model.parameters() if p.requires_grad]
        if learned:
            wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
            for schedule in cfg.param_scheduler:
                PARAM_SCHEDULERS.build(
                    dict(schedule, optimizer=wrapper),
                    default_args=dict(epoch_length=10))
        if cfg.model.head.type == 'CLIPHead':
            head = MODELS.build(dict(
                cfg.model.head, type='DePTHead', clip=cfg.clip,
                vocabulary=cfg.model.backbone.vocabulary))
            assert isinstance(head, DePTHead)
            # Two transforms of 16 channels, a row for each base class.
            rows = 1 if cfg.protocol == 'b2n' else 2
            assert sum(p.numel() for p in head.parameters()) == (
                4 * 16 + 17 * rows)


@pytest.mark.parametrize('row', re.findall(
    r'\| `(\w+/[\w-]+)` \| `--set (\S+)=(\S+)` \| `(\S+)` \|\n',
    (ROOT / 'docs/sweeps.md').read_text()), ids=lambda row: row[3])
def test_ablations_of_the_documents(row, small_clip):
    """Each of their values is one that the model is built with."""
    name, key, values, by = row
    leaf = CONFIGS / f'{name}_vit-base-p16_16shot_caltech101-b2n.py'
    assert key == by and ',' in values
    for value in values.split(','):
        cfg = Config.fromfile(leaf)
        apply_options(cfg, {
            'clip': small_clip,
            key: DictAction._parse_int_float_bool(value)})
        replace_datasets(cfg, ('cat', 'dog'), 1)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            assert MODELS.build(cfg.model)


@pytest.mark.parametrize('leaf', LEAVES)
def test_everything_is_open(leaf):
    """Another data set, protocol and CLIP leave nothing of the old ones."""
    cfg = read_config(CONFIGS / leaf, dataset='dtd', clip='demo',
                      protocol='few_shot_16shot')
    assert cfg.protocol == 'fewshot'
    assert cfg.clip.name == 'builtin:demo_clip'
    text = json.dumps(cfg.to_dict(), default=str)
    assert not re.search('ViT-B|openai|caltech|shapes|imagenet', text)
    for name in ('train', 'val', 'test'):
        dataset = cfg[f'{name}_dataloader'].dataset
        assert (dataset.name, dataset.base_classes) == ('dtd', 'all')
        assert dataset.split == ('train' if name == 'train' else 'test')
