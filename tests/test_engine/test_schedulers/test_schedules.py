"""Recipes: learning rates of every group and epoch."""
from math import cos, pi
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn
from torch.optim import SGD

from dept_mm.config import apply_options
from dept_mm.models import CLIPHead, DePTHead
from dept_mm.registry import MODELS, PARAM_SCHEDULERS

CONFIGS = Path(__file__).parents[3] / 'configs'
SCHEDULES = CONFIGS / '_base_/schedules'
LR, HEAD = 0.0035, 6.5
# Recipes of hosts, each as its public code or paper has it: epochs, batch,
# learning rate.
HOSTS = dict(
    coop_50e=(50, 32, .002), coop_200e=(200, 32, .002),
    cocoop_10e=(10, 1, .002), kgcoop_100e=(100, 128, .002),
    maple_5e=(5, 4, .0035), ivlp_5e=(5, 4, .0025),
    promptsrc_20e=(20, 4, .0025), prograd_100e=(100, 32, .002),
    tcp_50e=(50, 32, .002), coprompt_8e=(8, 4, .0035))


class Model(nn.Module):
    """Named as in ``ImageClassifier``."""

    def __init__(self, head):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.prompt = nn.Linear(2, 2, bias=False)
        self.head = head


def learning_rates(name, epoch_length=5):
    """Parameter -> learning rate in each epoch's last step, and its group."""
    model = Model(DePTHead(('cat', 'dog'), in_channels=4))
    found, groups = all_learning_rates(
        model, Config.fromfile(SCHEDULES / name), epoch_length)
    return {n: rates[epoch_length - 1::epoch_length]
            for n, rates in found.items()}, groups


def all_learning_rates(model, cfg, epoch_length):
    """Parameter -> learning rate in each step, and its group."""
    init_default_scope('mmpretrain')
    optim = build_optim_wrapper(
        model, dict(cfg.optim_wrapper, type='OptimWrapper'))
    schedulers = []
    for config in cfg.param_scheduler:
        config = dict(config)
        build = PARAM_SCHEDULERS.build
        if config.pop('convert_to_iter_based', False):
            build = PARAM_SCHEDULERS.get(
                config.pop('type')).build_iter_from_epoch
            schedulers.append(build(optim, epoch_length=epoch_length,
                                    **config))
        else:
            schedulers.append(build(config, default_args=dict(
                optimizer=optim)))
    names = {id(p): n for n, p in model.named_parameters()}
    # mmengine adds one group of its own, which carries the base rate.
    groups = {names[id(p)]: group for group in optim.param_groups
              for p in group['params'] if id(p) in names}
    found = {n: [] for n in groups}
    for _ in range(cfg.train_cfg.max_epochs):
        for _ in range(epoch_length):
            for n, group in groups.items():
                found[n].append(group['lr'])
            [s.step() for s in schedulers if not s.by_epoch]
        [s.step() for s in schedulers if s.by_epoch]
    return found, groups


def test_paper_recipe():
    """Public code: epoch 1 at 1e-5 for every group, then for epoch e >= 2
    lr (1 + cos(pi (e - 2) / E)) / 2, with E = 10."""
    found, groups = learning_rates('dept_paper_10e.py')
    for name, rates in found.items():
        lr = LR * (HEAD if name.startswith('head') else 1)
        expected = [1e-5] + [lr * (1 + cos(pi * (e - 2) / 10)) / 2
                             for e in range(2, 11)]
        assert rates == pytest.approx(expected, rel=1e-9)
        assert groups[name]['weight_decay'] == 5e-4
    assert found['backbone.prompt.weight'][-1] == pytest.approx(3.34e-4,
                                                                rel=1e-3)
    assert found['head.linear.weight'][-1] == pytest.approx(2.17e-3, rel=2e-3)


@pytest.mark.parametrize('name', HOSTS)
def test_recipes_of_hosts(name):
    epochs, batch, lr = HOSTS[name]
    found, groups = learning_rates(f'{name}.py')
    assert len(found) == 7
    for parameter, rates in found.items():
        ratio = 1
        if parameter.startswith('head'):  # of PromptSRC, a public trace
            ratio = 6 if name == 'promptsrc_20e' else HEAD
        expected = [1e-5] + [ratio * lr * (1 + cos(pi * (e - 2) / epochs)) / 2
                             for e in range(2, epochs + 1)]
        assert rates == pytest.approx(expected, rel=1e-9)
        assert groups[parameter]['weight_decay'] == 5e-4
    cfg = Config.fromfile(SCHEDULES / f'{name}.py')
    adam = name == 'tcp_50e'
    assert cfg.optim_wrapper.optimizer == dict(
        lr=lr, weight_decay=5e-4,
        **(dict(type='Adam', eps=1e-3) if adam
           else dict(type='SGD', momentum=.9)))
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.train_cfg == dict(by_epoch=True, max_epochs=epochs,
                                 val_interval=epochs)


@pytest.mark.parametrize('name, lr, epochs, batch, options', [
    ('mmrl_10e', .001, 10, 4, dict(type='AdamW')),
    ('mm_adapter_5e', .0015, 5, 16, dict(type='SGD', momentum=.9))])
def test_recipes_of_newer_hosts(name, lr, epochs, batch, options):
    """MMRL's first epoch is at 1e-5; MultiModalAdapter has no warm-up."""
    found, _ = learning_rates(f'{name}.py')
    warm = int(name == 'mmrl_10e')
    expected = warm * [1e-5] + [lr * (1 + cos(pi * e / epochs)) / 2
                                for e in range(epochs - warm)]
    assert found['backbone.prompt.weight'] == pytest.approx(expected, rel=1e-9)
    cfg = Config.fromfile(SCHEDULES / f'{name}.py')
    assert cfg.optim_wrapper.optimizer == dict(lr=lr, weight_decay=5e-4,
                                               **options)
    assert cfg.auto_scale_lr.base_batch_size == batch


def test_recipe_of_skip_tuning():
    """The text tower learns at four times the image tower's rate; the first
    epoch is at 1e-6 for both."""
    towers = nn.ModuleDict(dict(text=nn.Linear(1, 1), image=nn.Linear(1, 1)))
    model = nn.ModuleDict(dict(backbone=nn.ModuleDict(dict(prompt=towers))))
    found, _ = all_learning_rates(model, Config.fromfile(
        SCHEDULES / 'skip_tuning_20e.py'), 1)
    for tower, lr in (('text', 2e-5), ('image', 5e-6)):
        assert found[f'backbone.prompt.{tower}.weight'] == pytest.approx(
            [1e-6] + [lr * (1 + cos(pi * e / 20)) / 2 for e in range(19)],
            rel=1e-9)


def test_recipe_of_clip_lora():
    """AdamW; the cosine of its 8,000 steps ends at 1e-6."""
    cfg = Config.fromfile(SCHEDULES / 'clip_lora_8k.py')
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=cfg.optim_wrapper.optimizer.lr)
    schedule = PARAM_SCHEDULERS.build(
        cfg.param_scheduler[0], default_args=dict(optimizer=optimizer))
    rates = []
    for _ in range(cfg.train_cfg.max_iters):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        schedule.step()
    assert rates[::1000] == pytest.approx([
        1e-6 + (2e-4 - 1e-6) * (1 + cos(pi * i / 8000)) / 2
        for i in range(0, 8000, 1000)], rel=1e-6)
    assert cfg.optim_wrapper.optimizer.weight_decay == .01


def test_published_rates_of_five_epochs():
    found, _ = learning_rates('maple_5e.py')
    assert found['backbone.prompt.weight'] == pytest.approx(
        [1e-5, .0035, .003166, .002291, .001209], abs=5e-7)


@pytest.mark.parametrize('path', sorted(
    CONFIGS.glob('*/*[0-9]e-16shot*.py')),
    ids=lambda path: path.stem)
def test_batch_size_of_a_recipe_of_its_own(path):
    """A schedule cannot set it: it belongs to the data loader."""
    cfg = Config.fromfile(path)
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr[
        'base_batch_size']


def test_clean_recipe_keeps_the_ratio_and_the_transforms():
    found, groups = learning_rates('dept_clean_10e.py')
    prompt = found['backbone.prompt.weight']
    for name, rates in found.items():
        ratio = HEAD if name.startswith('head') else 1
        assert rates == pytest.approx([ratio * r for r in prompt])
        decay = 0 if 'transform' in name else 5e-4
        assert groups[name]['weight_decay'] == decay
    assert max(prompt) == pytest.approx(LR)
    assert prompt[-1] < 0.05 * LR


def test_groups_of_a_real_config(clip, vocabulary):
    """Prompts, offsets, late tokens and DePT, each at its own rate."""
    cfg = Config.fromfile(next(CONFIGS.glob('dept/dept-adept*b2n.py')))
    apply_options(cfg, {'clip': clip})
    cfg.model.backbone.vocabulary = vocabulary
    cfg.model.head.vocabulary = vocabulary
    cfg.model.backbone.prompt.text.append(dict(type='LatePrompt', layer=1))
    rates = {'prompt_tokens': 1, 'offset_': .1, 'late_': 2, 'head': HEAD}
    cfg.optim_wrapper.paramwise_cfg.custom_keys.update(
        {key: dict(lr_mult=rate) for key, rate in rates.items()})
    model = MODELS.build(cfg.model)
    found, groups = all_learning_rates(model, cfg, epoch_length=5)
    owned = [n for n, _ in model.named_parameters()]
    assert sorted(found) == sorted(owned) and len(owned) == 15
    optim = {id(group): group for group in groups.values()}.values()
    held = [p for group in optim for p in group['params']]
    assert len(held) == len({id(p) for p in held}) == len(owned)
    frozen = {id(p) for p in model.backbone.clip.parameters()}
    assert frozen and not frozen & {id(p) for p in held}
    for name, steps in found.items():
        key, = (key for key in rates if f'.{key}' in f'.{name}')
        lr = rates[key] * LR
        assert steps[0] == pytest.approx(.003 * lr)
        assert steps[5] == pytest.approx(lr)
        assert steps[25] == pytest.approx(lr * (1 + cos(pi * 4 / 9)) / 2)
        assert steps[-1] == pytest.approx(lr * (1 + cos(pi * 8 / 9)) / 2)
        first = found['backbone.prompt.text.input.soft.prompt_tokens']
        assert steps == pytest.approx([rates[key] * r for r in first])


def test_tip_adapter_f_recipe():
    """Public code: AdamW, and a cosine over all iterations, so that the last
    of n steps runs at lr (1 + cos(pi (n - 1) / n)) / 2."""
    found, groups = learning_rates('tip_adapter_f_20e.py')
    rates = found['backbone.prompt.weight']
    assert rates == pytest.approx([
        1e-3 * (1 + cos(pi * (5 * e - 1) / 100)) / 2 for e in range(1, 21)])
    assert found['head.linear.weight'] == pytest.approx(
        [HEAD * rate for rate in rates])
    group = groups['backbone.prompt.weight']
    assert (group['eps'], group['weight_decay']) == (1e-4, 0.01)


def test_host_alone_has_one_group_of_rates():
    optim = build_optim_wrapper(Model(CLIPHead()), dict(
        Config.fromfile(SCHEDULES / 'dept_clean_10e.py').optim_wrapper,
        type='OptimWrapper'))
    assert {group['lr'] for group in optim.param_groups} == {LR}


def test_rates_return_after_a_longer_warm_up():
    optim = SGD([nn.Parameter(torch.zeros(1))], lr=.5)
    scheduler = PARAM_SCHEDULERS.build(
        dict(type='AbsoluteWarmupLR', lr=1e-3, begin=1, end=3),
        default_args=dict(optimizer=optim))
    rates = []
    for _ in range(5):
        rates.append(optim.param_groups[0]['lr'])
        optim.step()
        scheduler.step()
    assert rates == [.5, 1e-3, 1e-3, .5, .5]
