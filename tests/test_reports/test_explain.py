"""What ``tools/explain.py`` tells of data, schedule and models at large."""
import json
from math import cos, pi
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from run_tool import run_tool

from dept_mm.config import apply_options
from dept_mm.errors import DeptError
from dept_mm.exchange import publish_checkpoint
from dept_mm.reports.explain import (
    _explain,
    explain,
    format_report,
    replace_datasets,
    use_random_weights,
)

ROOT = Path(__file__).parents[2]
LR, HEAD = .0035, 6.5


@pytest.fixture
def uncounted(monkeypatch):
    """The arithmetic, which takes long, is no part of the test."""
    monkeypatch.setattr(_explain, '_count_or_say_why',
                        lambda count: 'not counted: nobody asks')


def test_rates_of_the_paper(small_run, uncounted):
    cfg = small_run()
    cfg.merge_from_dict(dict(
        train_cfg=dict(max_epochs=10, val_interval=10),
        optim_wrapper=dict(paramwise_cfg=dict(
            _delete_=True, custom_keys={'head': dict(lr_mult=HEAD)}))))
    cfg.param_scheduler = [
        dict(type='AbsoluteWarmupLR', lr=1e-5, end=1),
        dict(type='CosineAnnealingLR', T_max=10, begin=1)]
    groups = explain(cfg)['training']['groups']
    assert [g['parameters'][0] for g in groups] == [
        'backbone.prompt.context', 'head.image_transform.scale']
    for lr, group in zip((LR, LR * HEAD), groups, strict=True):
        expected = [1e-5] + [lr * (1 + cos(pi * (e - 2) / 10)) / 2
                             for e in range(2, 11)]
        for k in (0, 1):
            assert [pair[k] for pair in group['lr']] == pytest.approx(
                expected)
        assert group['weight_decay'] == 5e-4 and group['momentum'] == .9


def test_rates_within_an_epoch(small_run, uncounted):
    """A linear warm-up over the 4 steps of epoch 1, from 1/5 to 1 of 0.5: in
    steps of 4/15."""
    cfg = small_run(**{'train_cfg.max_epochs': 2})
    cfg.optim_wrapper = dict(optimizer=dict(type='AdamW', lr=.5))
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=.2, end=1,
                                convert_to_iter_based=True)]
    training = explain(cfg)['training']
    group, = training['groups']
    assert group['lr'][0] == pytest.approx([.1, .5 * (.2 + 3 * .8 / 3)])
    assert group['lr'][1] == pytest.approx([.5, .5])
    # Two moments and, of each of 7 parameters, a counter in fp32.
    assert training['memory']['optimiser'] == (
        2 * training['memory']['learned'] + 7 * 4)


def test_iteration_based_training(small_run, uncounted):
    cfg = small_run()
    cfg.train_cfg = dict(by_epoch=False, max_iters=10)
    cfg.optim_wrapper = dict(optimizer=dict(type='SGD', lr=.5))
    cfg.param_scheduler = dict(type='MultiStepLR', milestones=[5], gamma=.1,
                               by_epoch=False)
    training = explain(cfg)['training']
    assert training['steps'] == 10 and training['epochs'] == 3
    group, = training['groups']
    assert sum(group['lr'], []) == pytest.approx(
        [.5, .5, .5, .05, .05, .05])


def test_steps_batches_and_classes(small_run, uncounted):
    """16 base classes with one image each, 64 test images."""
    cfg = small_run(**{'train_dataloader.batch_size': 3})
    cfg.auto_scale_lr = dict(base_batch_size=2, enable=True)
    alone, together = explain(cfg), explain(cfg, processes=2)
    assert alone['training']['steps_per_epoch'] == 6
    assert together['training']['steps_per_epoch'] == 3
    for facts, processes in ((alone, 1), (together, 2)):
        training = facts['training']
        assert training['images'] == training['classes'] == 16
        assert training['groups'][0]['lr'][0][0] == pytest.approx(
            LR * 3 * processes / 2)
        assert training['memory']['optimiser'] == training['memory'][
            'learned'] == 4 * (16 * 32 + 4 * 16 + 16 * 17)
    assert alone['evaluation']['images'] == 64
    assert alone['evaluation']['classes'] == 32


def test_nothing_to_learn_and_nothing_to_train(small_run):
    cfg = small_run('coop/quickstart.py')
    cfg.model.backbone.prompt = None
    assert explain(cfg)['training'] is None
    for key in ('train_cfg', 'train_dataloader', 'optim_wrapper'):
        cfg.pop(key)
    facts = explain(cfg)
    assert facts['parameters']['learned_count'] == 0
    assert 'TRAINING' not in format_report(facts)


def test_what_a_model_refuses_is_said(small_run):
    cfg = small_run('coop/quickstart.py')
    cfg.model.backbone.prompt.class_specific = True
    facts = explain(cfg)
    assert isinstance(facts['training']['flop'], dict)
    assert 'not counted' in facts['evaluation']['flop']
    text = ' '.join(format_report(facts).split())
    assert 'has no context for classes' in text


def test_without_the_data(clip, tmp_path, uncounted):
    cfg = Config.fromfile(ROOT / 'configs/dept/dept-coop_vit-base-p16_16shot_'
                          'caltech101-b2n.py')
    apply_options(cfg, {'clip': clip, 'dataset.data_root': str(tmp_path)})
    with pytest.raises(DeptError, match='not found.*--classes cat dog'):
        explain(cfg)
    replace_datasets(cfg, ['cat', 'dog', 'owl'], images=20)
    facts = explain(cfg)
    assert facts['training']['images'] == 16 * 2  # two are base classes
    assert facts['training']['steps_per_epoch'] == 8
    assert facts['evaluation']['images'] == 60
    assert facts['evaluation']['classes'] == 3


def test_weights_are_not_looked_for():
    cfg = Config.fromfile(ROOT / 'configs/dept/dept-coop_vit-base-p16_16shot_'
                          'caltech101-b2n.py')
    use_random_weights(cfg)
    assert cfg.model.backbone.clip.pretrained == 'random'
    assert cfg.model.head.clip.pretrained == 'random'


def test_the_tool(tmp_path):
    facts = json.loads(run_tool(
        'explain.py', ROOT / 'configs/dept/quickstart.py', '--classes', 'cat',
        'dog', '--json', cwd=tmp_path).stdout)
    assert facts['model']['clip'] == 'builtin:demo_clip'
    assert facts['training']['classes'] == 1
    assert not list(tmp_path.iterdir())  # no work dir, no logs


def test_files_are_as_large_as_those_of_a_run(small_run, tmp_path,
                                              uncounted):
    cfg = small_run()
    found = explain(small_run())['training']['files']
    runner = Runner.from_cfg(cfg)
    runner.train()
    path = tmp_path / 'epoch_1.pth'
    adapter = publish_checkpoint(path, tmp_path / 'mine').stat().st_size
    assert found['adapter'] == pytest.approx(adapter, rel=.1)
    # Logs, states of schedulers and the like: of any model as many.
    assert 0 < path.stat().st_size - found['checkpoint'] < 40_000
    no_state = explain(small_run(**{'optim_wrapper.optimizer.momentum': 0.}))
    assert found['checkpoint'] > 4 * sum(
        p.numel() for p in runner.model.parameters()) + no_state[
            'training']['files']['checkpoint']
