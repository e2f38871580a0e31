"""Ten epochs of shipped configs go as ten epochs of the public code.

The losses of every step, its learning rates and the weights at the end are in
``trajectories.npz``, which ``make_trajectories.py`` writes.
"""
from pathlib import Path

import numpy as np
import pytest
import torch
from make_trajectories import CASES, sample
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from reference_clip import (
    BASE,
    NEW,
    REFERENCE,
    make_batches,
    reference_clip,
    trainable_value,
)
from test_hosts import close

from dept_mm.config import read_config
from dept_mm.exchange.public_names import find_public_name
from dept_mm.registry import MODELS, PARAM_SCHEDULERS
from dept_mm.structures import Vocabulary

CONFIGS = Path(__file__).parents[2] / 'configs'
EUROSAT = 'a centered satellite photo of {}.'


@pytest.fixture(scope='module')
def clip():
    return reference_clip()


def make_model(cfg, clip):
    """Backbone and head of a config, on the reference CLIP and classes."""
    vocabulary = Vocabulary(BASE + NEW, BASE)
    model = cfg.model.to_dict()
    if 'depth' in model['backbone']['prompt']:
        model['backbone']['prompt']['depth'] = 3
    if 'teacher' in model['backbone']:
        model['backbone']['teacher']['templates'] = EUROSAT
    model['backbone'] |= dict(clip=clip, vocabulary=vocabulary)
    if model['head'].pop('clip', None):
        model['head'] |= dict(in_channels=clip.spec.embed_dim,
                              vocabulary=vocabulary)
    return torch.nn.ModuleDict({
        part: MODELS.build(model[part]) for part in ('backbone', 'head')})


@pytest.mark.parametrize('case', [
    case if 'dept' in case or case == 'coop' else pytest.param(
        case, marks=pytest.mark.slow) for case in CASES])
def test_trajectory(case, clip):
    host = case.removesuffix('_dept')
    leaf = f'{host}_vit-base-p16_16shot_caltech101-b2n.py'
    cfg = read_config(CONFIGS / (f'dept/dept-{leaf}' if host != case
                                 else f'{host}/{leaf}'),
                      recipe='dept_paper_10e')
    with np.load(REFERENCE / 'trajectories.npz') as file:
        expected = {key.removeprefix(f'{case}/'): file[key]
                    for key in file.files if key.startswith(f'{case}/')}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = make_model(cfg, clip).train()
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        schedulers = [PARAM_SCHEDULERS.build(dict(s, optimizer=wrapper))
                      for s in cfg.param_scheduler]
    learned = {find_public_name(type(model.backbone.prompt).__name__, k): p
               for k, p in model.named_parameters()}
    before = {key: trainable_value(key, p.shape) for key, p in learned.items()}
    for key, parameter in learned.items():
        parameter.data.copy_(before[key])
    groups = {id(p): group for group in wrapper.param_groups
              for p in group['params']}
    batches, step = make_batches(cfg.train_dataloader.batch_size), 0
    for _ in range(cfg.train_cfg.max_epochs):
        for images, labels in batches:
            for key, parameter in learned.items():
                new = key.startswith(('film', 'linear_probe'))
                assert groups[id(parameter)]['lr'] == pytest.approx(
                    expected['lr'][step, int(new)], rel=1e-12)
            samples = [DataSample().set_gt_label(int(y)) for y in labels]
            loss = sum(model.head.loss(
                model.backbone(images), samples).values())
            assert loss.item() == pytest.approx(expected['loss'][step],
                                                rel=1e-4)
            wrapper.update_params(loss)
            step += 1
        for scheduler in schedulers:
            scheduler.step()
    assert step == len(expected['loss']) == 20
    assert {f'final/{key}' for key in learned} == {
        key for key in expected if key.startswith('final/')}
    for key, parameter in learned.items():
        change = (parameter.detach() - before[key]).norm().item()
        assert change == pytest.approx(expected[f'change/{key}'], rel=1e-3)
        close(torch.from_numpy(sample(parameter.detach())),
              expected[f'final/{key}'], 1e-3)
