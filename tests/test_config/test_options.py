"""An option for a definition must reach every place that refers to it."""
from pathlib import Path

import pytest
from mmengine.config import Config

from dept_mm.cli.arguments import common_parser, load_config
from dept_mm.config import apply_options, replace_definition, set_seed_options
from dept_mm.errors import DeptError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture
def cfg(tmp_path: Path) -> Config:
    """A config of the shape of ours, parsed from files as ours are."""
    (tmp_path / 'base.py').write_text(
        "clip = dict(name='RN50')\n"
        "dataset = dict(type='D', data_root='old', seed=1, a=dict(b=0))\n"
        "pipeline = [dict(type='Load'), dict(type='Resize', clip=clip)]\n"
        'randomness = dict(seed=1)\n')
    (tmp_path / 'leaf.py').write_text(
        "_base_ = ['base.py']\n"
        'model = dict(backbone=dict(\n'
        '    clip=_base_.clip, vocabulary=_base_.dataset))\n'
        'train_dataloader = dict(dataset=dict(\n'
        "    **_base_.dataset, split='train', pipeline=_base_.pipeline))\n"
        'val_dataloader = [dict(dataset=dict(\n'
        "    **_base_.dataset, split='test', pipeline=_base_.pipeline))]\n")
    return Config.fromfile(tmp_path / 'leaf.py')


def datasets(cfg: Config) -> list:
    return [
        cfg.dataset, cfg.model.backbone.vocabulary,
        cfg.train_dataloader.dataset, cfg.val_dataloader[0].dataset
    ]


def clips(cfg: Config) -> list:
    loaders = cfg.train_dataloader, cfg.val_dataloader[0]
    return [cfg.clip, cfg.model.backbone.clip, cfg.pipeline[1].clip] + [
        loader.dataset.pipeline[1].clip for loader in loaders
    ]


def test_option_reaches_all_copies(cfg):
    apply_options(cfg, {'dataset.data_root': 'new', 'clip.name': 'ViT'})
    assert [d.data_root for d in datasets(cfg)] == ['new'] * 4
    assert [c.name for c in clips(cfg)] == ['ViT'] * 5
    assert cfg.train_dataloader.dataset.split == 'train'


@pytest.mark.parametrize('options, key, expected', [
    ({'dataset.a.b': 1}, 'a', dict(b=1)),
    ({'dataset.a.new': [1, 2]}, 'a', dict(b=0, new=[1, 2])),
    ({'dataset.new.deep': 1}, 'new', dict(deep=1)),
    ({'dataset': dict(a=dict(b=1))}, 'a', dict(b=1)),
    ({'dataset.a': dict(_delete_=True, c=3)}, 'a', dict(c=3)),
])
def test_deep_and_new_keys(cfg, options, key, expected):
    apply_options(cfg, options)
    assert [d[key] for d in datasets(cfg)] == [expected] * 4


def test_later_options_still_find_the_copies(cfg):
    """Also after a key that the definition did not have."""
    apply_options(cfg, {'clip.precision': 'fp16'})
    apply_options(cfg, {'clip.precision': 'bf16', 'clip.name': 'ViT'})
    assert all(c == dict(name='ViT', precision='bf16') for c in clips(cfg))


def test_option_for_one_place_wins(cfg):
    apply_options(
        cfg, {
            'train_dataloader.dataset.data_root': 'mine',
            'val_dataloader.0.dataset.split': 'val',
            'dataset.data_root': 'new'
        })
    roots = [d.data_root for d in datasets(cfg)]
    assert roots == ['new', 'new', 'mine', 'new']
    assert cfg.val_dataloader[0].dataset.split == 'val'


def test_other_values_are_not_copies(cfg):
    cfg.other = dict(type='D', data_root='elsewhere', seed=1, a=dict(b=0))
    cfg.empty = dict()
    cfg.holder = dict(inner=dict())
    apply_options(cfg, {'dataset.data_root': 'new', 'empty.x': 1})
    assert cfg.other.data_root == 'elsewhere'
    assert (cfg.empty, cfg.holder) == (dict(x=1), dict(inner=dict()))


def test_runner_arguments_are_no_definitions(cfg):
    """``randomness`` is contained in ``dataset`` by accident only."""
    apply_options(cfg, {'randomness.deterministic': True})
    assert 'deterministic' not in cfg.dataset
    assert cfg.randomness.deterministic


def test_plain_options_merge_as_ever(cfg):
    apply_options(cfg, {'work_dir': 'w', 'model.head.x': 1, 'dataset': None})
    assert (cfg.work_dir, cfg.model.head.x, cfg.dataset) == ('w', 1, None)
    before = cfg.pretty_text
    apply_options(cfg, None)
    assert cfg.pretty_text == before


def test_another_definition_takes_the_place_of_all_copies(cfg):
    replace_definition(cfg, 'dataset', dict(type='E', x=1))
    assert datasets(cfg)[:2] == [dict(type='E', x=1)] * 2
    assert cfg.train_dataloader.dataset == dict(
        type='E', x=1, split='train', pipeline=cfg.pipeline)
    with pytest.raises(DeptError, match="no 'host'"):
        replace_definition(cfg, 'host', {})


def test_another_data_set_from_the_command_line():
    config = str(CONFIGS / 'dept/quickstart.py')
    args = common_parser('').parse_args(
        [config, '--dataset', 'flowers102', '--seed', '3',
         '--cfg-options', 'dataset.data_root=here'])
    cfg = load_config(args)
    assert cfg.model.backbone.vocabulary == cfg.model.head.vocabulary == dict(
        Config.fromfile(CONFIGS / '_base_/datasets/flowers102.py').dataset,
        seed=3, data_root='here')
    assert cfg.train_dataloader.dataset.task == 'base'
    assert Path(cfg.work_dir).name == 'quickstart-on-flowers102'
    args.dataset = 'flower'
    with pytest.raises(DeptError, match='caltech101, .*flowers102'):
        load_config(args)


def test_seed(cfg):
    set_seed_options(cfg, 7)
    assert cfg.randomness.seed == 7
    assert [d.seed for d in datasets(cfg)] == [7] * 4
    without = Config(dict(model=dict()))
    set_seed_options(without, 7)
    assert without.to_dict() == dict(model=dict(), randomness=dict(seed=7))


@pytest.mark.parametrize('name', [
    'dept/dept-coop_vit-base-p16_16shot_caltech101-b2n.py',
    'dept/dept-coop_vit-base-p16_paper-16shot_caltech101-b2n.py',
])
def test_shipped_configs(name):
    """After an option the old value is nowhere left in a real config."""
    cfg = Config.fromfile(CONFIGS / name)
    old = cfg.clip.name, cfg.dataset.ann_file
    assert all(cfg.pretty_text.count(value) > 3 for value in old)
    apply_options(cfg, {'clip.name': 'X', 'dataset.ann_file': 'Y'})
    assert not any(value in cfg.pretty_text for value in old)
