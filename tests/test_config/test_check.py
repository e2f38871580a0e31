"""What nothing reads is an error before anything is built, and nothing else
is."""
import json
from pathlib import Path

import pytest
from mmengine.config import Config
from run_tool import run_tool
from torch import nn

import dept_mm
from dept_mm.config import apply_options, check_config, read_config
from dept_mm.config.signature import read_options
from dept_mm.datasets import DrawnShapes
from dept_mm.errors import DeptError
from dept_mm.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
LEAVES = sorted(str(path.relative_to(CONFIGS))
                for path in CONFIGS.glob('[!_]*/*.py'))
QUICK = CONFIGS / 'dept/quickstart.py'
COSINE = 'param_scheduler.1.T_max'


def check(options, path=QUICK):
    cfg = read_config(path)
    apply_options(cfg, options)
    check_config(cfg)


@pytest.mark.parametrize('key, value, near', [
    # What nothing reads: in parts of this package, ...
    ('train_dataloader.dataset.num_shot', 4, 'num_shots'),
    ('model.backbone.prompt.num_token', 4, 'num_tokens'),
    ('model.head.loss_weigth', .7, 'loss_weight'),
    ('model.backbone.teacher.imag', True, 'image'),
    ('model.backbone.tpt.stepz', 2, 'steps'),
    ('clip.pretrain', 'openai', 'pretrained'),
    ('dataset.data_root', '/nope', 'DrawnShapes has no such option'),
    # ... of the stack and of torch, ...
    ('model.hed.type', 'CLIPHead', 'head'),
    ('optim_wrapper.optimizer.momentun', .9, 'momentum'),
    ('optim_wrapper.paramwise_cfg.bias_decay_mul', 0, 'bias_decay_mult'),
    ('optim_wrapper.clip_grad.max_norn', 1, 'max_norm'),
    ('param_scheduler.1.Tmax', 9, 'T_max'),
    ('default_hooks.checkpoint.intervall', 2, 'interval'),
    ('default_hooks.logger.intervall', 2, 'interval'),
    ('train_dataloader.batchsize', 2, 'batch_size'),
    ('train_dataloader.sampler.shufle', True, 'shuffle'),
    ('train_dataloader.dataset.pipeline.1.scal', 2, 'CLIPResize'),
    ('train_cfg.max_epoch', 2, 'max_epochs'),
    ('val_evaluator.generalised', True, 'generalized'),
    ('randomness.sed', 2, 'seed'),
    ('env_cfg.cudnn_bench', True, 'cudnn_benchmark'),
    # ... and at the top.
    ('optimizer.lr', 1, 'optim_wrapper.optimizer.lr'),
    ('work_dirs', 'here', 'work_dir'),
    ('train_pipeline.0.type', 'X', 'definition'),
    ('vocabulary.seed', 2, 'definition'),
    # Unknown types.
    ('model.head.type', 'DePTHed', 'DePTHead'),
    ('model.backbone.prompt.type', 'CoopPrompt', 'CoOpPrompt'),
    ('optim_wrapper.optimizer.type', 'SDG', 'SGD'),
    ('train_dataloader.dataset.pipeline.1.type', 'Resise', 'Resize'),
    ('default_hooks.checkpoint.type', 'CheckpointHok', 'CheckpointHook'),
    ('custom_hooks.0.type', 'BaseNewTable', 'BaseNewTableHook'),
    # Values of the wrong kind.
    ('optim_wrapper.optimizer.lr', 'abc', 'float'),
    ('optim_wrapper.optimizer.lr', True, 'float'),
    ('optim_wrapper.optimizer.nesterov', 'yes', 'bool'),
    (COSINE, 'nine', 'int'),
    ('train_cfg.max_epochs', 'ten', 'int'),
    ('train_cfg.max_epochs', 2.5, 'int'),
    ('train_dataloader.batch_size', 'four', 'int'),
    ('dataset.template', 3, 'str'),
    ('model.backbone.prompt.num_tokens', 'many', 'int'),
    ('optim_wrapper.clip_grad', 3, 'dict'),
    ('randomness.deterministic', 'yes', 'bool'),
    ('resume', 'maybe', 'bool'),
])
def test_wrong(key, value, near):
    """The message names the option, what is there and what is right."""
    with pytest.raises(DeptError) as error:
        check({key: value})
    text = str(error.value)
    assert key.rpartition('.')[2] in text and near in text
    if 'definition' not in near and 'optim_wrapper' not in near:
        assert repr(value) in text or 'nothing reads' in text


@pytest.mark.parametrize('leaf', LEAVES)
def test_shipped(leaf):
    check_config(read_config(CONFIGS / leaf))


@pytest.mark.parametrize('options', [
    {'optim_wrapper.optimizer': dict(
        _delete_=True, type='AdamW', lr=1, betas=(.9, .99))},
    {'optim_wrapper.clip_grad': dict(type='norm', max_norm=1)},
    {'default_hooks.logger.priority': 'LOW', 'default_hooks.cost': None},
    {'train_cfg': dict(_delete_=True, by_epoch=False, max_iters=9)},
    {'model.head.loss': dict(type='LabelSmoothLoss', label_smooth_val=.1)},
    {'model.init_cfg': [dict(type='Normal', layer='Linear')]},
    {'param_scheduler': [dict(type='LinearLR', end=.5,
                              convert_to_iter_based=True)]},
    {'compile': True, 'randomness.diff_rank_seed': True},
    {'model.backbone': dict(
        _delete_=True, type='ResNet', depth=18, out_indices=(3, ),
        norm_cfg=dict(type='BN', requires_grad=True))},
    {'model.backbone': dict(_delete_=True, type=nn.Identity)},
    {'model.backbone': dict(_delete_=True, type='torch.nn.Identity')},
])
def test_right(options):
    check(options)


@MODELS.register_module(force=True)
class Mine(nn.Module):
    """A user's part: it passes options on, and has dicts of its own."""

    def __init__(self, plan, size: 'Unknown' = 1, **kwargs):  # noqa: F821
        super().__init__()
        self.inner = nn.Linear(**kwargs)


@MODELS.register_module(force=True)
class Child(Mine):
    def __init__(self, factor: float = 1., **kwargs):
        super().__init__(plan=None, **kwargs)


def test_parts_of_a_user():
    """Where options go on to something else, any may be meant."""
    check({'model.backbone': dict(
        _delete_=True, type='Child', factor=2, in_features=4,
        schedule=dict(type='linear', steps=3))})
    with pytest.raises(DeptError, match='factor=.two.*float'):
        check({'model.backbone': dict(
            _delete_=True, type='Child', factor='two')})


def test_options_are_those_of_parents():
    found, more = read_options(DrawnShapes)
    assert not more
    assert {'style', 'num_shots', 'pipeline', 'lazy_init'} <= set(found)
    assert not {'data_root', 'ann_file', 'args', 'kwargs'} & set(found)


@pytest.mark.parametrize('tool, more', [
    ('train.py', []), ('test.py', []), ('explain.py', []),
    ('channel_importance.py', ['none'])])
def test_tools(tool, more, tmp_path):
    """They say it in one line, and write nothing."""
    run = run_tool(tool, QUICK, *more, '--cfg-options',
                   'train_dataloader.dataset.num_shot=4', cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith('error: train_dataloader.dataset.num_shot=4')
    assert not list(tmp_path.iterdir())


def test_functions():
    for call in dept_mm.build, dept_mm.train:
        with pytest.raises(DeptError, match='Did you mean DePTHead'):
            call(QUICK, options={'model.head.type': 'DePTHed'})


def test_data_set_alone(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text('dataset = ' + repr(json.loads(json.dumps(dict(
        type='FolderDataset', data_rot='photos')))))
    run = run_tool('check_dataset.py', path)
    assert run.stderr.startswith('error: dataset.data_rot=')
    assert 'data_root' in run.stderr


def test_a_config_of_classes():
    """A type may be a class, and no base file need be ours."""
    cfg = Config(dict(model=dict(type=nn.Identity, sise=3),
                      optim_wrapper=dict(optimizer=dict(type='SGD', lr='x'))))
    with pytest.raises(DeptError, match='optimizer.lr=.x.'):
        check_config(cfg)
