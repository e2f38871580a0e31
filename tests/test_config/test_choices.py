"""Data set, protocol and CLIP of a config are one choice each."""
import os
from pathlib import Path

import pytest
from mmengine.config import Config

from dept_mm.cli.arguments import common_parser, load_config
from dept_mm.config import read_config
from dept_mm.errors import DeptError

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
LEAF = CONFIGS / 'dept/quickstart.py'
PHOTOS = "dataset = dict(type='FolderDataset', data_root='/photos')\n"


def load(*arguments):
    return load_config(common_parser('').parse_args(
        [str(argument) for argument in arguments]))


def test_from_the_command_line():
    cfg = load(LEAF, '--dataset', 'flowers102', '--protocol',
               'few_shot_16shot', '--seed', 3, '--cfg-options',
               'dataset.data_root=here')
    expected = dict(
        Config.fromfile(CONFIGS / '_base_/datasets/flowers102.py').dataset,
        base_classes='all', seed=3, data_root='here')
    assert cfg.model.backbone.vocabulary == expected
    assert cfg.model.head.vocabulary == expected
    assert cfg.train_dataloader.dataset == dict(
        expected, split='train', num_shots=16, pipeline=cfg.train_pipeline)
    assert Path(cfg.work_dir).name == (
        'quickstart-on-flowers102-on-few_shot_16shot')
    assert not [key for key in os.environ if key.startswith('DEPT_')]


def test_a_file_of_ones_own(tmp_path):
    """Photos of a user, in a protocol of a user."""
    (tmp_path / 'photos.py').write_text(PHOTOS)
    (tmp_path / 'half.py').write_text(
        f"_base_ = '{CONFIGS}/_base_/protocols/few_shot_16shot.py'\n"
        "protocol = 'half'\n"
        "classes = dict(_delete_=True, base_classes='half')\n")
    cfg = load(LEAF, '--dataset', tmp_path / 'photos.py', '--protocol',
               tmp_path / 'half.py')
    assert cfg.model.head.vocabulary == dict(
        type='FolderDataset', data_root='/photos', base_classes='half')
    assert cfg.protocol == 'half'
    assert Path(cfg.work_dir).name == 'quickstart-on-photos-on-half'


def test_from_a_shell(monkeypatch):
    monkeypatch.setenv('DEPT_DATASET', 'datasets/dtd')
    assert load(LEAF).dataset.name == 'dtd'
    cfg = load(LEAF, '--dataset', 'pets', '--clip', 'vit-base-p16')
    assert (cfg.dataset.name, cfg.clip.pretrained) == ('pets', 'openai')
    assert os.environ['DEPT_DATASET'] == 'datasets/dtd'
    assert 'DEPT_CLIP' not in os.environ
    monkeypatch.setenv('DEPT_DATASET', 'datasets/nope')
    with pytest.raises(DeptError, match='datasets/nope.py. Known are aircraf'):
        load(LEAF)


@pytest.mark.parametrize('kind, known', [
    ('dataset', 'caltech101, .*flowers102'),
    ('protocol', 'base_to_new_16shot, cross_dataset_16shot'),
    ('clip', 'demo, features, vit-base-p16'),
    ('recipe', 'cocoop_10e, .*dept_paper_10e')])
def test_a_name_that_is_unknown(kind, known):
    with pytest.raises(DeptError, match=f'--{kind} flower: .*{known}'):
        read_config(LEAF, **{kind: 'flower'})
    with pytest.raises(DeptError, match=f'--{kind} a/b.py: there is no such'):
        read_config(LEAF, **{kind: 'a/b.py'})
    assert not [key for key in os.environ if key.startswith('DEPT_')]


def test_a_config_that_leaves_nothing_open(tmp_path):
    path = tmp_path / 'whole.py'
    read_config(LEAF).dump(path)
    for kind, name in (('dataset', 'dtd'), ('protocol', 'few_shot_16shot'),
                       ('clip', 'demo'), ('recipe', 'coop_50e')):
        with pytest.raises(DeptError, match=(
                f'--{kind} {name}: .*whole.py does not leave its {kind} open.'
                r" Write '\{\{\$DEPT_" f'{kind.upper()}:')):
            read_config(path, **{kind: name})
    with pytest.raises(DeptError, match='config file not found: nope.py'):
        read_config('nope.py')


def test_a_part_that_does_not_fit(tmp_path):
    (tmp_path / 'none.py').write_text('data = dict()\n')
    (tmp_path / 'two.py').write_text(PHOTOS + 'clip = dict()\n')
    for name in ('none', 'two'):
        with pytest.raises(DeptError, match=f'{name}.py: does not fit into'):
            read_config(LEAF, dataset=str(tmp_path / f'{name}.py'))


def test_targets_of_another_protocol():
    """They have a place and a seed of their own only if one is given."""
    cfg = load(LEAF, '--protocol', 'cross_dataset_16shot', '--dataset',
               'imagenet', '--seed', 2, '--cfg-options',
               'dataset.data_root=all', 'targets.eurosat.data_root=here')
    places = cfg.val_cfg.datasets
    assert places == cfg.test_cfg.datasets == cfg.targets
    assert places.pop('eurosat').data_root == 'here'
    assert len(places) == 9
    for name, place in places.items():
        assert place.namespace == place.name == name
        assert not {'seed', 'data_root'} & set(place)
    assert cfg.test_dataloader.dataset.data_root == 'all'
    assert cfg.test_dataloader.dataset.seed == 2
