"""An option for a definition must reach the places that refer to it, and no
other."""
from pathlib import Path

import pytest
from mmengine.config import Config

from dept_mm.config import apply_options, read_config, set_seed_options

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


def test_other_dicts_stay_as_they_are(cfg):
    """Whatever they contain: the key says what refers to a definition, and a
    ``name`` whether it is another one."""
    same = dict(cfg.dataset)
    cfg.other = dict(same)
    cfg.model.head = dict(samples=dict(same), pair=[dict(same)])
    cfg.model.teacher = dict(clip=dict(name='other'))
    cfg.model.clips = dict(name='RN50')
    cfg.test_dataloader = dict(dataset=dict(same, name='other'))
    cfg.extra = dict(dataset=dict(same))
    apply_options(cfg, {'dataset.data_root': 'new', 'clip.name': 'ViT'})
    assert [d.data_root for d in datasets(cfg)] == ['new'] * 4
    assert cfg.other == cfg.model.head.samples == cfg.extra.dataset == same
    assert cfg.model.head.pair == [same]
    assert cfg.test_dataloader.dataset == dict(same, name='other')
    assert cfg.model.teacher.clip.name == 'other'
    assert cfg.model.clips == dict(name='RN50')


def test_hooks_are_no_data_sets(cfg):
    """VocabularyHook has the key of a vocabulary, and as little a name."""
    cfg.default_hooks = dict(vocabulary=dict(type='VocabularyHook'))
    apply_options(cfg, {'dataset.data_root': 'new'})
    assert cfg.default_hooks.vocabulary == dict(type='VocabularyHook')


def test_data_sets_inside_wrappers(cfg):
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='Repeat', dataset=dict(type='Concat', datasets=[inner, inner]))
    cfg.other_dataloader = dict(batch_size=1)
    apply_options(cfg, {'dataset.data_root': 'new'})
    wrapper = cfg.train_dataloader.dataset
    assert 'data_root' not in wrapper and 'data_root' not in wrapper.dataset
    assert [d.data_root for d in wrapper.dataset.datasets] == ['new'] * 2
    assert cfg.other_dataloader == dict(batch_size=1)


def test_language_models_and_further_data_sets():
    cfg = Config(dict(
        lm=dict(name='a'), dataset=dict(task='cb', seed=1),
        targets=dict(pets=dict(type='D')),
        model=dict(lm=dict(name='a'), head=dict(
            task=dict(task='cb', seed=1))),
        val_cfg=dict(datasets=dict(pets=dict(type='D')))))
    apply_options(cfg, {'lm.name': 'b', 'dataset.seed': 2,
                        'targets.pets.data_root': 'here'})
    assert cfg.model.lm == cfg.lm == dict(name='b')
    assert cfg.model.head.task == cfg.dataset == dict(task='cb', seed=2)
    assert cfg.val_cfg.datasets == cfg.targets == dict(
        pets=dict(type='D', data_root='here'))


def test_plain_options_merge_as_ever(cfg):
    apply_options(cfg, {'work_dir': 'w', 'model.head.x': 1, 'dataset': None})
    assert (cfg.work_dir, cfg.model.head.x, cfg.dataset) == ('w', 1, None)
    before = cfg.pretty_text
    apply_options(cfg, None)
    assert cfg.pretty_text == before


def test_seed(cfg):
    set_seed_options(cfg, 7)
    assert cfg.randomness.seed == 7
    assert [d.seed for d in datasets(cfg)] == [7] * 4
    without = Config(dict(model=dict()))
    set_seed_options(without, 7)
    assert without.to_dict() == dict(model=dict(), randomness=dict(seed=7))


@pytest.mark.parametrize('clip', ['vit-base-p16', 'vit-base-p16_pure-fp16'])
def test_shipped_configs(clip):
    """After an option the old value is nowhere left in a real config."""
    cfg = read_config(
        CONFIGS / 'dept/dept-coop_vit-base-p16_16shot_caltech101-b2n.py',
        clip=clip)
    old = cfg.clip.name, cfg.dataset.ann_file
    assert all(str(cfg.to_dict()).count(value) > 3 for value in old)
    apply_options(cfg, {'clip.name': 'X', 'dataset.ann_file': 'Y'})
    assert not any(value in str(cfg.to_dict()) for value in old)
