"""Image files that hold no image."""
import logging
import re

import numpy as np
import pytest
import torch
from mmengine.dataset import sampler as stock
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from dept_mm.cli.arguments import cache_features, user_errors
from dept_mm.datasets import EpochIndex, EpochSampler
from dept_mm.engine.hooks import UnreadableImagesHook
from dept_mm.errors import DeptError
from dept_mm.models.clip import FrozenCLIP
from dept_mm.registry import DATASETS

SHOTS, EPOCHS = 4, 3
BAD = ('cat/1.jpg', 'cat/3.jpg', 'owl/0.jpg')


def truncated(path):
    path.write_bytes(path.read_bytes()[:200])


def empty(path):
    path.write_bytes(b'')


def a_text(path):
    path.write_text('<html>404 Not found</html>')


def a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = truncated, empty, a_text, a_folder


@pytest.fixture
def photos(tmp_path):
    """Two classes of noisy photos, the same ones for each split."""
    noise = np.random.default_rng(0)
    for split in ('train', 'test'):
        for name in ('cat', 'owl'):
            folder = tmp_path / 'photos' / split / name
            folder.mkdir(parents=True)
            for i in range(SHOTS):
                pixels = noise.integers(0, 256, (40, 48, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f'{i}.jpg')
    return tmp_path / 'photos'


@pytest.fixture
def config(photos, clip):
    """Config of their training split."""
    return dict(type='FolderDataset', data_root=str(photos),
                base_classes='all', pipeline=[
                    dict(type='LoadRGBImage'),
                    dict(type='CLIPRandomResizedCrop', clip=clip),
                    dict(type='PackInputs')])


def damage(folder, names=BAD, how=truncated):
    for name in names:
        how(folder / name)


def epoch_of(config, epoch=1, workers=0, persistent=False):
    """Index -> (class, path, what it replaces, pixels), of one epoch."""
    loader = Runner.build_dataloader(dict(
        dataset=DATASETS.build(config) if isinstance(config, dict) else
        config, batch_size=2, num_workers=workers,
        persistent_workers=persistent,
        sampler=dict(type=EpochSampler, shuffle=True)), seed=7)
    loader.sampler.set_epoch(epoch)
    batches = iter(loader)
    try:
        found = [(sample.gt_label.item(), sample.img_path,
                  sample.get('unreadable'), image.numpy().tobytes())
                 for batch in batches for sample, image in zip(
                     batch['data_samples'], batch['inputs'], strict=True)]
    finally:  # frames of an error hold it, and garbage waits for its workers
        if workers:
            batches._shutdown_workers()
    return dict(zip(list(loader.sampler), found, strict=True))


@pytest.mark.parametrize('how', DAMAGES)
def test_another_of_the_class_stands_for_it(config, photos, how):
    whole = epoch_of(config)
    damage(photos / 'train', how=how)
    found = epoch_of(config)
    replaced = {}
    for index, sample in found.items():
        if sample[2] is None:
            assert sample == whole[index]
            continue
        replaced[index] = sample
        assert sample[2] == whole[index][1]
        assert sample[0] == whole[index][0]
        # As that image is seen in this epoch anyway.
        assert (*sample[:2], None, sample[3]) in whole.values()
    assert sorted(s[2] for s in replaced.values()) == [
        str(photos / 'train' / name) for name in BAD]


def test_data_sets_from_elsewhere(config, photos):
    """In the wrapper they replace the same files, and name the same ones."""
    stock = dict(type='CustomDataset', data_root=str(photos),
                 data_prefix='train', pipeline=config['pipeline'])
    wrapped = dict(type='SeededDataset', dataset=stock)
    damage(photos / 'train')
    assert epoch_of(wrapped) == epoch_of(config)
    assert epoch_of(wrapped, workers=1) == epoch_of(config)
    stock['test_mode'] = True
    with pytest.raises(DeptError, match='3 of 8 images cannot be read'):
        epoch_of(wrapped)


def test_whoever_loads_it(config, photos, monkeypatch):
    damage(photos / 'train')
    expected = epoch_of(config)
    for options in (dict(workers=1), dict(workers=2, persistent=True)):
        assert epoch_of(config, **options) == expected
    halves = {}
    for rank in (0, 1):
        monkeypatch.setattr(stock, 'get_dist_info', lambda r=rank: (r, 2))
        halves.update(epoch_of(config))
    assert halves == expected


def test_choice_differs_by_epoch_and_seed(config, photos):
    damage(photos / 'train', BAD[2:])
    data = DATASETS.build(config)
    chosen = {data[EpochIndex(4, seed, epoch)]['data_samples'].img_path
              for seed in range(4) for epoch in range(4)}
    assert len(chosen) == SHOTS - 1


def test_class_without_a_readable_image(config, photos):
    damage(photos / 'train', [f'owl/{i}.jpg' for i in range(SHOTS)])
    with pytest.raises(DeptError, match='owl/.*nor can another image of its'):
        epoch_of(config)


@pytest.mark.parametrize('workers', [0, 2])
def test_testing_names_every_file(config, photos, workers):
    damage(photos / 'test')
    missing = photos / 'test/owl/3.jpg'
    config.update(split='test', test_mode=True)
    config = DATASETS.build(config)
    missing.unlink()
    with pytest.raises(DeptError) as error:
        epoch_of(config, workers=workers)
    assert '4 of 8 images cannot be read' in str(error.value)
    for name in (*BAD, 'owl/3.jpg'):
        assert f'{photos}/test/{name}: ' in str(error.value)
    with pytest.raises(SystemExit) as stopped, user_errors():
        raise error.value
    assert re.match('error: 4 of 8 .*again.\n/', str(stopped.value))
    assert 'Traceback' not in str(stopped.value)


def test_what_cannot_be_marked_is_an_error(config, photos):
    damage(photos / 'train')
    del config['pipeline'][-1]
    with pytest.raises(DeptError, match='cat/1.jpg.*without PackInputs'):
        DATASETS.build(config)[1]


class Inputs(Hook):
    """Keeps what goes into the model: paths, and pixels or features."""

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append([s.img_path for s in data_batch['data_samples']])


@pytest.fixture
def run(small_run, config, photos, tmp_path):
    """Train on the photos; returns the runner, its inputs, its warnings."""
    def train(name, store=False, **options):
        cfg = small_run(**{
            'work_dir': str(tmp_path / name), 'train_cfg.max_epochs': EPOCHS,
            'train_cfg.val_interval': EPOCHS, 'custom_hooks': [],
            'default_hooks.logger.interval': 1, **options})
        classes = dict(config, split='test', test_mode=True)
        cfg.model.backbone.vocabulary = cfg.model.head.vocabulary = classes
        cfg.train_dataloader.dataset = config
        cfg.val_dataloader.dataset = classes
        if store:
            cache_features(cfg, str(tmp_path / 'store'))
        runner, inputs, said = Runner.from_cfg(cfg), Inputs(), []
        runner.register_hook(inputs)
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: said.append(record.getMessage())
        runner.logger.addHandler(handler)
        runner.train()
        return runner, inputs.seen, [s for s in said if 'Epoch' in s]

    return train


def test_counted_once_per_epoch(run, photos):
    damage(photos / 'train')
    _, _, said = run('run', **{'train_dataloader.num_workers': 2})
    assert len(said) == EPOCHS
    for epoch, line in enumerate(said, 1):
        assert line.startswith(
            f'Epoch {epoch}: 3 samples were replaced by others of their '
            f'class, as 3 images cannot be read: {photos}/train/cat/1.jpg, ')


def test_too_many_end_training(run, photos):
    damage(photos / 'train')
    with pytest.raises(DeptError, match='more than default_hooks') as error:
        run('run', **{'default_hooks.unreadable.limit': 2})
    for name in BAD:
        assert f'\n{photos}/train/{name}' in str(error.value)


def test_processes_count_together(monkeypatch):
    hook = UnreadableImagesHook(limit=1)
    hook._seen.update(['a.jpg'])
    monkeypatch.setattr(
        'dept_mm.engine.hooks.unreadable_images_hook.all_gather_object',
        lambda own: [own, type(own)(['b.jpg'])])
    with pytest.raises(DeptError, match='2 training images.*\na.jpg\nb.jpg'):
        hook.report(None, hook._seen, 'Epoch 1')


def test_stored_features_are_those_of_training_on_images(run, photos,
                                                         monkeypatch):
    damage(photos / 'train')
    images = run('images')
    stored = run('stored', store=True)
    monkeypatch.setattr(FrozenCLIP, 'encode_image', None)
    again = run('again', store=True)
    for runner, inputs, said in (stored, again):
        assert inputs == images[1]
        assert said == images[2]
        for name, value in images[0].model.named_parameters():
            torch.testing.assert_close(
                dict(runner.model.named_parameters())[name], value,
                rtol=1e-3, atol=1e-5)


def test_test_features_need_every_file(run, photos):
    damage(photos / 'test')
    with pytest.raises(DeptError, match='3 of 8 images cannot be read'):
        run('run', store=True)
