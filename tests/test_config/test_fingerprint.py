"""What belongs to the fingerprint of a config, and what does not."""
import argparse

import pytest
from mmengine.config import Config

from dept_mm.cli.arguments import (
    cache_features,
    set_loader_defaults,
)
from dept_mm.cli.launch import init_launcher
from dept_mm.config import set_seed_options
from dept_mm.config.fingerprint import config_fingerprint
from dept_mm.engine.runner import build_runner

SAME = [
    {'work_dir': '/elsewhere'}, {'launcher': 'slurm'}, {'resume': True},
    {'log_level': 'WARNING'}, {'experiment_name': 'x'}, {'load_from': None},
    {'default_hooks.checkpoint.interval': 7},
    {'default_hooks.logger.interval': 7},
    {'default_hooks.visualization.enable': True},
    {'train_dataloader.num_workers': 9},
    {'val_dataloader.pin_memory': True},
    {'test_dataloader.persistent_workers': True},
    {'env_cfg.dist_cfg.backend': 'gloo'},
]
OTHER = [
    {'randomness.seed': 2}, {'train_cfg.max_epochs': 3},
    {'load_from': 'other.pth'}, {'train_dataloader.batch_size': 5},
    {'model.head.fusion_weight': 0.1}, {'env_cfg.cudnn_benchmark': True},
    {'default_hooks.mean_loss': None}, {'custom_hooks': []},
    {'train_dataloader.dataset.num_shots': 2},
]


def changed(cfg, options):
    other = Config(cfg.to_dict())
    other.merge_from_dict(options)
    return config_fingerprint(other)


@pytest.mark.parametrize('options', SAME, ids=str)
def test_what_cannot_change_a_number(small_run, options):
    cfg = small_run()
    assert changed(cfg, options) == config_fingerprint(cfg)


@pytest.mark.parametrize('options', OTHER, ids=str)
def test_what_can(small_run, options):
    cfg = small_run()
    assert changed(cfg, options) != config_fingerprint(cfg)


def test_the_runner_and_its_dumped_config_agree(small_run, tmp_path):
    cfg = small_run()
    before = config_fingerprint(cfg)
    set_loader_defaults(cfg, ['train_dataloader', 'val_dataloader'])
    init_launcher(cfg, 'none')
    runner = build_runner(cfg)
    assert config_fingerprint(runner.cfg) == before
    cfg.dump(tmp_path / 'config.py')
    assert config_fingerprint(Config.fromfile(tmp_path / 'config.py')
                              ) == before
    assert len(before) == 64


def test_a_feature_store_counts_only_where_it_approximates(small_run):
    cfg = small_run()
    before = config_fingerprint(cfg)
    for views, same in ((None, True), (0, True), (2, False)):
        cache_features(cfg, 'anywhere', views)
        assert (config_fingerprint(cfg) == before) is same


def test_it_is_a_function_of_values_alone():
    one = dict(a=dict(x=(1, 2), y=argparse.Namespace), b=1)
    two = dict(b=1, a=dict(y=argparse.Namespace, x=[1, 2]))
    assert config_fingerprint(one) == config_fingerprint(Config(two))
    assert config_fingerprint(one) != config_fingerprint(dict(one, b=2))


@pytest.mark.parametrize('key', ['load_from', 'clip.pretrained',
                                 'model.backbone.clip.pretrained'])
def test_weights_to_start_from_count_by_their_content(small_run, tmp_path,
                                                      key):
    cfg = small_run()
    found = []
    for name, content in (('a', b'1'), ('b', b'1'), ('c', b'2')):
        (tmp_path / name).write_bytes(content)
        found.append(changed(cfg, {key: str(tmp_path / name)}))
    assert found[0] == found[1] != found[2]
    assert config_fingerprint(cfg) not in found


def test_another_seed_is_another_run(small_run):
    cfg = small_run()
    before = config_fingerprint(cfg)
    set_seed_options(cfg, 5)
    assert config_fingerprint(cfg) != before
