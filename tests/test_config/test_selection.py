"""Validation images that choose the epoch."""
from pathlib import Path

import pytest
from mmengine.config import Config

from dept_mm.config import config_fingerprint, read_config, select_epoch
from dept_mm.errors import DeptError
from dept_mm.registry import DATASETS

CONFIGS = Path(__file__).parents[2] / 'configs'
QUICK = CONFIGS / 'dept/quickstart.py'


def chosen(**choices):
    cfg = read_config(QUICK, **choices)
    select_epoch(cfg)
    return cfg


def images(loader):
    """Path -> label of the images of a loader."""
    built = DATASETS.build(loader.dataset)
    return {one['img_path']: one['gt_label'] for one in (
        super(type(built), built).get_data_info(i)
        for i in range(len(built)))}


def test_the_images_are_held_out():
    """Four of each base class, none of which is trained on or tested."""
    cfg = chosen()
    train, val, test = (images(cfg[f'{name}_dataloader'])
                        for name in ('train', 'val', 'test'))
    assert len(val) == 16 * 4 and set(val.values()) == set(train.values())
    assert set(val.values()) < set(test.values())
    assert not val.keys() & (train.keys() | test.keys())
    # The draw of the seed, and the images as a test sees them.
    assert cfg.val_dataloader.dataset.pipeline == (
        cfg.test_dataloader.dataset.pipeline)
    assert cfg.test_dataloader == read_config(QUICK).test_dataloader


def test_all_classes_where_all_are_trained_on():
    assert set(images(chosen(protocol='few_shot_16shot').val_dataloader
                      ).values()) == set(range(32))


def test_another_fingerprint():
    """A sweep does not take one run for the other."""
    assert config_fingerprint(chosen()) != config_fingerprint(
        read_config(QUICK))


@pytest.mark.parametrize('protocol', ['generalized_base_to_new_16shot',
                                      'cross_dataset_16shot'])
def test_new_classes_do_not_choose(protocol):
    """Neither their names nor other data sets."""
    cfg = chosen(protocol=protocol)
    assert cfg.val_evaluator == dict(type='BaseNewMetric')
    assert 'datasets' not in cfg.val_cfg
    original = read_config(QUICK, protocol=protocol)
    assert cfg.test_cfg == original.test_cfg
    assert cfg.test_evaluator == original.test_evaluator


def test_mistakes():
    for changes, options, words in (
            ({}, dict(split='test'), "select='test': choose one of"),
            ({}, dict(patience=0), 'must be at least 1'),
            (dict(test_dataloader=None), {}, 'needs a test_dataloader'),
            (dict(custom_hooks=[]), {}, 'no BaseNewTableHook'),
            ({'train_dataloader.dataset': dict(_delete_=True, type='CIFAR10')},
             {}, 'CIFAR10 has no splits')):
        cfg = Config.fromfile(QUICK)
        cfg.merge_from_dict(changes)
        with pytest.raises(DeptError, match=words):
            select_epoch(cfg, **options)
