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

from dept_mm.models import CLIPHead, DePTHead
from dept_mm.registry import PARAM_SCHEDULERS

SCHEDULES = Path(__file__).parents[2] / 'configs/_base_/schedules'
LR, HEAD = 0.0035, 6.5


class Model(nn.Module):
    """Named as in ``ImageClassifier``."""

    def __init__(self, head):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.prompt = nn.Linear(2, 2, bias=False)
        self.head = head


def learning_rates(name, epoch_length=5):
    """Parameter -> learning rate in each epoch's last step, and its group."""
    init_default_scope('mmpretrain')
    cfg = Config.fromfile(SCHEDULES / name)
    model = Model(DePTHead(('cat', 'dog'), in_channels=4))
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
            last = {n: group['lr'] for n, group in groups.items()}
            [s.step() for s in schedulers if not s.by_epoch]
        for n in found:
            found[n].append(last[n])
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
