"""The table at the end of a run, and what it leaves behind."""
import copy
from hashlib import sha256

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from dept_mm.cli.arguments import cache_features
from dept_mm.config import (
    config_fingerprint,
    config_settings,
    set_seed_options,
)
from dept_mm.datasets import CSVDataset, DrawnShapes, SeededDataset
from dept_mm.engine.run_record import dataset_name, hash_images
from dept_mm.evaluation import accuracy, read_result
from dept_mm.evaluation.predictions import read_predictions


def test_zero_shot_then_tuned(small_run, tmp_path):
    cfg = small_run(**{'val_dataloader.dataset.indices': [*range(20),
                                                          *range(1590, 1600)]})
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    runner = Runner.from_cfg(cfg)
    runner.train()
    log, = (path.read_text() for path in tmp_path.glob('*/*.log'))
    rows = read_result(tmp_path)['results']
    assert list(rows) == ['zero-shot', 'tuned']
    # Zero-shot is what the same CLIP gives through a config of its own.
    cfg.model.backbone.prompt = None
    cfg.model.head = dict(type='CLIPHead')
    expected = Runner.from_cfg(cfg).test()
    hub = runner.message_hub.log_scalars
    for half in ('base', 'new'):
        for key in ('correct', 'total', 'macro_f1'):
            name = f'base_new/{half}_{key}'
            assert rows['zero-shot']['shapes'][half][key] == pytest.approx(
                expected[name])
            assert rows['tuned']['shapes'][half][key] == pytest.approx(
                hub[f'val/{name}'].current())
    table = log[log.index('Top-1 accuracy'):].splitlines()
    assert table[1].split() == ['base', 'new', 'H']
    assert table[3].split()[0] == 'tuned'
    for half, cell in zip(('base', 'new'), table[3].split()[1:], strict=False):
        assert float(cell) == pytest.approx(
            accuracy(rows['tuned']['shapes'][half]), abs=.0051)


def test_counts_of_classes_add_up(small_run, tmp_path):
    Runner.from_cfg(small_run()).train()
    data = DrawnShapes(split='test', indices=64)
    label = [data.get_data_info(i)['gt_label'] for i in range(64)]
    names = data.metainfo['classes']
    for row in read_result(tmp_path)['results'].values():
        found = row['shapes']['base']
        assert {name: total for name, (_, total) in found['classes'].items()
                } == {names[y]: label.count(y) for y in set(label)}
        assert found['correct'] == sum(c for c, _ in found['classes'].values())


def test_predictions_of_each_image(small_run, tmp_path):
    """They give the counts of the result, in the order of the data set."""
    picked = [3, 1590, 20, 1599, 40]
    cfg = small_run(**{'val_dataloader.dataset.indices': picked,
                       'val_dataloader.batch_size': 2})
    runner = Runner.from_cfg(cfg)
    runner.train()
    rows, about = read_predictions(tmp_path)
    data = runner.val_dataloader.dataset
    assert about['shapes']['images'] == [
        data.get_data_info(i)['img_path'] for i in range(5)]
    assert about['shapes']['classes'] == list(data.metainfo['classes'])
    results = read_result(tmp_path)['results']
    assert rows.keys() == results.keys() == {'zero-shot', 'tuned'}
    base = set(about['shapes']['base'])
    for row, found in rows.items():
        records = found['shapes']
        assert records['label'].tolist() == [0, 31, 0, 31, 0]
        hits = records['top'][:, 0] == records['label']
        for half, y in (('base', 0), ('new', 31)):
            mine = records['label'] == y
            assert results[row]['shapes'][half]['correct'] == hits[mine].sum()
            # Each image is scored among the 16 classes of its half.
            assert all((label in base) == (half == 'base')
                       for label in records['top'][mine].flat)


def test_without_zero_shot(small_run, tmp_path):
    cfg = small_run(**{'custom_hooks.0.zero_shot': False})
    Runner.from_cfg(cfg).train()
    assert list(read_result(tmp_path)['results']) == ['tuned']


def test_a_run_without_validation_leaves_a_result(small_run, tmp_path):
    cfg = small_run()
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    Runner.from_cfg(cfg).train()
    found = read_result(tmp_path)
    assert found['results'] == {} and list(found['images']) == ['train']


def test_what_the_run_was(small_run, tmp_path):
    cfg = small_run(**{'train_dataloader.dataset.num_shots': 2})
    set_seed_options(cfg, 3)
    runner = Runner.from_cfg(cfg)
    runner.train()
    found = read_result(tmp_path)
    assert [found[key] for key in ('config', 'dataset', 'seed', 'shots')] == [
        'dept/quickstart', 'shapes', 3, 2]
    assert found['fingerprint'] == config_fingerprint(cfg)
    assert found['settings'] == config_settings(cfg)
    assert found['settings']['train_cfg']['max_epochs'] == 1
    assert found['versions']['torch'] == torch.__version__
    assert found['clip']['sha256'] == runner.model.backbone.clip.digest
    assert found['seconds']['train'] > 0 < found['seconds']['evaluation']
    # What has a momentum: nothing of the frozen CLIP.
    assert found['parameters'] == sum(
        p.numel() for p in runner.optim_wrapper.optimizer.state) > 0
    # A process that has loaded torch: more than 50 MB, less than this
    # machine has.
    assert 5e7 < found['peak_memory']['process'] < 1e13
    assert (found['peak_memory']['cuda'] is None) != torch.cuda.is_available()


def test_seeds_share_a_recipe(small_run, tmp_path):
    found = []
    for seed in (1, 2):
        cfg = small_run(work_dir=str(tmp_path / str(seed)))
        set_seed_options(cfg, seed)
        Runner.from_cfg(cfg).train()
        found.append(read_result(tmp_path / str(seed)))
    one, two = found
    assert one['recipe'] == two['recipe']
    assert one['fingerprint'] != two['fingerprint']
    assert one['images']['train'] != two['images']['train']
    assert one['images']['test/shapes'] == two['images']['test/shapes']


def test_a_test_does_not_replace_the_training(small_run, tmp_path):
    cfg = small_run()
    Runner.from_cfg(cfg).train()
    before = (tmp_path / 'result.json').read_bytes()
    runner = Runner.from_cfg(cfg)
    metrics = runner.test()
    assert (tmp_path / 'result.json').read_bytes() == before
    path, = tmp_path.glob('*/result.json')
    found = read_result(path)
    assert list(found['results']) == ['tested']
    half = found['results']['tested']['shapes']['base']
    assert half['correct'] == metrics['base_new/base_correct']
    assert list(read_predictions(path.parent)[0]) == ['tested']
    assert list(found['images']) == ['test/shapes']
    runner.test()  # as if it had begun in the same second
    assert len(list(tmp_path.glob('*/result.json'))) == 2


@pytest.mark.parametrize('config, name', [
    ('coop/coop_vit-base-p16_16shot_caltech101-b2n.py', 'caltech101'),
    ('coop/coop_vit-base-p16_50e-16shot_imagenet-xd.py', 'imagenet'),
    ('coop/coop_vit-base-p16_16shot_caltech101-b2n.py', 'flowers102')])
def test_names_of_data_sets(config, name, small_run):
    cfg = small_run(config, dict(dataset=name),
                    **{'dataset.data_root': '/elsewhere/mine'})
    assert dataset_name(cfg, 'train_dataloader') == name
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(type='SeededDataset', dataset=inner)
    assert dataset_name(cfg, 'train_dataloader') == name
    # Without a name: the folder of its data.
    del inner.name
    assert dataset_name(cfg, 'train_dataloader') == 'mine'
    assert dataset_name(Config(dict()), 'train_dataloader') is None


def test_the_hash_is_of_labels_and_paths_below_the_folder(tmp_path):
    hashes = []
    for i, stem in enumerate(['1', '1', '2']):
        root = tmp_path / str(i)
        root.mkdir()
        (root / 'list.csv').write_text('path,label\n' + ''.join(
            f'{c}/{stem}.png,{c}\n' for c in 'ab'))
        data = CSVDataset(data_root=str(root), ann_file='list.csv')
        hashes.append(hash_images(data))
        assert hash_images(SeededDataset(data)) == hashes[-1]
    assert hashes[0] == hashes[1] != hashes[2]
    expected = sha256(b''.join(f'{label} {path}\n'.encode() for label, path
                               in samples(data)))
    assert hashes[2] == expected.hexdigest()


def samples(data):
    """Label and name below the folder of each sample, as it is loaded."""
    for i in range(len(data)):
        info = data.get_data_info(i)
        folder, name = info['img_path'].split('/')[-2:]
        yield info['gt_label'], f'{folder}/{name}'


def test_a_store_of_features_changes_nothing(small_run, tmp_path):
    found = []
    for name in ('without', 'with'):
        cfg = small_run(work_dir=str(tmp_path / name))
        if name == 'with':
            cache_features(cfg, str(tmp_path / 'features'))
        Runner.from_cfg(cfg).train()
        found.append(read_result(tmp_path / name))
    for key in ('images', 'fingerprint', 'config', 'clip'):
        assert found[0][key] == found[1][key]
    # Batches of another size may be summed in another order.
    close = dict(rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*(run['results'] for run in found), **close)
    (one, about), (two, others) = (read_predictions(tmp_path / name)
                                   for name in ('without', 'with'))
    assert about == others
    one, two = (rows['tuned']['shapes'] for rows in (one, two))
    assert one.dtype == two.dtype and len(one)
    for key in one.dtype.names:
        np.testing.assert_allclose(one[key], two[key], **close)


def test_resumed_after_the_last_epoch(small_run, tmp_path):
    """Killed between the last checkpoint and the last validation."""
    Runner.from_cfg(small_run()).train()
    path = tmp_path / 'result.json'
    results = read_result(path)['results']
    path.unlink()
    Runner.from_cfg(small_run(resume=True)).train()
    assert read_result(path)['results'] == results
