"""Stacked trainings against the same trainings one by one."""
import json
from copy import deepcopy
from functools import partial

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.apis import set_seed_options, train_stacked
from dept_mm.errors import DeptError
from dept_mm.models.clip.text_tower import TextTower
from dept_mm.registry import HOOKS


@pytest.fixture
def configs(small_run):
    """Three runs of two epochs of two steps: two seeds, two weights."""
    def make(**options):
        cfgs = []
        for seed, weight in ((1, .7), (2, .7), (2, .3)):
            cfg = small_run(**{
                'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 2,
                'train_dataloader.batch_size': 8,
                'val_dataloader.dataset.indices': range(0, 1600, 50),
                **options})
            cfg.model.head.loss_weight = weight
            set_seed_options(cfg, seed)
            cfgs.append(cfg)
        return cfgs

    return make


def trainings(cfgs, root):
    """Functions that train each config in a folder of its own."""
    def train(cfg, folder):
        cfg = deepcopy(cfg)
        cfg.work_dir = str(folder)
        cfg.experiment_name = f'{root.name}-{folder.name}'
        Runner.from_cfg(cfg).train()

    return [partial(train, cfg, root / f'{i}')
            for i, cfg in enumerate(cfgs)]


def read(folder):
    """The last checkpoint, and the result less what it cost."""
    state = torch.load(max(folder.glob('*.pth')), weights_only=True)
    result = json.loads((folder / 'result.json').read_text())
    return state, {k: v for k, v in result.items()
                   if k not in ('seconds', 'peak_memory')}


def same(found, expected):
    """Compare nested values; tensors by the size of what is in them."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, torch.Tensor) and expected.is_floating_point():
        torch.testing.assert_close(
            found, expected, rtol=0,
            atol=2e-4 * float(expected.abs().max()) + 1e-8)
    else:
        torch.testing.assert_close(found, expected)


@pytest.fixture
def check(tmp_path):
    """Train configs in both ways and compare what they leave behind."""
    def compare(cfgs):
        for train in trainings(cfgs, tmp_path / 'alone'):
            train()
        together = trainings(cfgs, tmp_path / 'stacked')
        assert train_stacked(together) == [None] * len(cfgs)
        found = []
        for i in range(len(cfgs)):
            (own, result), (state, found_result) = (
                read(tmp_path / kind / f'{i}')
                for kind in ('alone', 'stacked'))
            assert found_result == result
            assert state['param_schedulers'] == own['param_schedulers']
            for key in ('state_dict', 'optimizer'):
                same(state[key], own[key])
            found.append(state['state_dict'])
        for other in found[1:]:  # and they are different runs
            assert any(not torch.equal(v, found[0][k])
                       for k, v in other.items())

    return compare


@pytest.fixture
def calls(monkeypatch):
    """Shapes of the features that the text tower makes with gradients."""
    shapes, run = [], TextTower.__call__

    def record(self, *args):
        out = run(self, *args)
        if out.requires_grad:
            shapes.append(tuple(out.shape[:-1]))
        return out

    monkeypatch.setattr(TextTower, '__call__', record)
    return shapes


def test_each_learner(configs, check, learner, calls):
    check(configs(**{'model.backbone.prompt': dict(learner, _delete_=True)}))
    alone, stacked = calls[:12], calls[12:]
    images = 8 if learner['type'] == 'CoCoOpPrompt' else 1
    in_turns = any(module['type'] != 'SoftPrompt'
                   for module in learner.get('text', ()))
    assert len(alone) == 12
    assert stacked == (alone if in_turns else 4 * [(3 * images, 16)])


@HOOKS.register_module()
class NoiseHook(Hook):
    """Draws from global random numbers in each step."""

    @torch.no_grad()
    def after_train_iter(self, runner, *args, **kwargs):
        for parameter in runner.model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=1e-3)


@pytest.mark.parametrize('options', [
    {'default_hooks.noise': dict(type='NoiseHook')},
    {'optim_wrapper.clip_grad': dict(max_norm=1e-2),
     'default_hooks.average': dict(
         type='GaussianPromptAveragingHook', mean=1)},
    {'model.backbone.teacher': dict(),
     'model.head.losses': [dict(type='ZeroShotDivergenceLoss')],
     'default_hooks.prograd': dict(type='ProGradHook')},
    {'optim_wrapper.accumulative_counts': 2,
     'default_hooks.ema': dict(type='EMAHook', momentum=.5)},
    {'train_dataloader.num_workers': 1, 'val_dataloader.num_workers': 1},
], ids=['random', 'clip', 'prograd', 'ema', 'workers'])
def test_with_hooks_that_look_at_one_model(configs, check, options, calls):
    check(configs(**options))
    assert calls[12:] == 4 * [(3, 16)]


def test_on_stored_features(configs, check, tmp_path, calls):
    cfgs = configs(custom_hooks=[
        dict(type='BaseNewTableHook'),
        dict(type='FeatureStoreHook', root=str(tmp_path / 'features'))])
    check(cfgs)
    assert calls[12:] == 4 * [(3, 16)]


def test_bf16_autocast(configs, tmp_path, calls):
    """Rounding differs; that it is on in the common batch does not."""
    cfgs = configs(**{'optim_wrapper.type': 'BF16OptimWrapper'})
    assert train_stacked(trainings(cfgs, tmp_path)) == [None] * 3
    assert calls == 4 * [(3, 16)]


def test_what_is_recomputed_is_done_in_turns(configs, check, calls):
    check(configs(**{'model.backbone.class_chunk': 8}))
    assert set(calls) == {(8, )}


def test_runs_of_different_length(configs, check, calls):
    """What is left goes on alone."""
    cfgs = configs()
    cfgs[1].train_cfg.update(max_epochs=1, val_interval=1)
    cfgs[2].train_dataloader.batch_size = 4
    check(cfgs)
    # Steps: 4, 2 and 8.
    assert calls[14:] == 2 * [(3, 16)] + 2 * [(2, 16)] + 4 * [(1, 16)]


def test_one_that_fails_leaves_the_others_alone(configs, tmp_path):
    cfgs = configs()
    cfgs[1].optim_wrapper.optimizer.lr = 1e30
    errors = train_stacked(trainings(cfgs, tmp_path))
    assert errors[0] is errors[2] is None
    assert isinstance(errors[1], DeptError) and 'diverged' in str(errors[1])
    results = {p.parent.name for p in tmp_path.glob('*/result.json')}
    assert results == {'0', '2'}


def test_resuming(configs, tmp_path):
    """Stacked for an epoch, then to the end; against a run alone."""
    cfgs = configs()
    for train in trainings(cfgs, tmp_path / 'alone'):
        train()
    for cfg in cfgs:
        cfg.train_cfg.max_epochs = 1
    root = tmp_path / 'stacked'
    assert train_stacked(trainings(cfgs, root)) == [None] * 3
    for cfg in cfgs:
        cfg.train_cfg.max_epochs, cfg.resume = 2, True
    assert train_stacked(trainings(cfgs, root)) == [None] * 3
    for i in range(3):
        (own, _), (found, _) = (read(tmp_path / kind / f'{i}')
                                for kind in ('alone', 'stacked'))
        same(found['state_dict'], own['state_dict'])


def test_logs_are_kept_apart(configs, tmp_path):
    train_stacked(trainings(configs(), tmp_path))
    for i in range(3):
        log, = (tmp_path / f'{i}').glob('*/*.log')
        assert log.read_text().count('Top-1 accuracy') == 1
