"""Augmentation and order must follow from seed, epoch and index alone."""
import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import sampler as stock
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from dept_mm.datasets import EpochIndex, EpochSampler, SeededDataset
from dept_mm.registry import DATASETS

SEED = 7


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes with three noisy photos each."""
    noise = np.random.default_rng(0)
    for name in ('cat', 'dog'):
        folder = tmp_path / 'photos' / 'train' / name
        folder.mkdir(parents=True)
        for i in range(3):
            pixels = noise.integers(0, 256, (48, 56, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f'{i}.png')
    return str(tmp_path / 'photos')


@pytest.fixture
def dataset(photos, clip):
    """Config of the photos, with an augmenting pipeline."""
    return dict(type='FolderDataset', data_root=photos, pipeline=[
        dict(type='LoadRGBImage'),
        dict(type='CLIPRandomResizedCrop', clip=clip),
        dict(type='RandomFlip', prob=.5, direction='horizontal'),
        dict(type='PackInputs')])


def loader(dataset, workers=0, persistent=False, seed=SEED):
    return Runner.build_dataloader(dict(
        dataset=DATASETS.build(dataset), batch_size=2, num_workers=workers,
        persistent_workers=persistent,
        sampler=dict(type=EpochSampler, shuffle=True)), seed=seed)


def epoch_of(loader, epoch):
    """[(path, pixels)] in the order in which they come."""
    loader.sampler.set_epoch(epoch)
    return [(sample.img_path, image.numpy().tobytes())
            for batch in loader
            for sample, image in zip(batch['data_samples'], batch['inputs'],
                                     strict=True)]


def test_workers_change_nothing(dataset):
    plain = loader(dataset)
    expected = [epoch_of(plain, e) for e in range(3)]
    for options in ((1, False), (2, False), (2, True)):
        other = loader(dataset, *options)
        torch.rand(3), np.random.rand(3), random.random()
        assert [epoch_of(other, e) for e in range(3)] == expected
    # Starting in the middle, as after resuming.
    assert epoch_of(loader(dataset, 2, True), 2) == expected[2]


def test_epochs_and_seeds_differ(dataset):
    runs = {(seed, epoch): epoch_of(loader(dataset, seed=seed), epoch)
            for seed in (1, 2) for epoch in (0, 1)}
    for found in runs.values():
        assert len({path for path, _ in found}) == 6
    pixels = [dict(found) for found in runs.values()]
    for path in pixels[0]:
        assert len({found[path] for found in pixels}) == 4


def test_two_processes_share_what_one_would_see(dataset, monkeypatch):
    whole = epoch_of(loader(dataset), 1)
    halves = []
    for rank in (0, 1):
        monkeypatch.setattr(stock, 'get_dist_info', lambda r=rank: (r, 2))
        halves.append(epoch_of(loader(dataset, 1), 1))
    assert [x for pair in zip(*halves, strict=True) for x in pair] == whole


class Dice:
    """A data set that rolls the dice of all three libraries."""

    def __getitem__(self, idx):
        return idx, random.random(), np.random.rand(), torch.rand(1).item()

    def __len__(self):
        return 4


def test_all_random_states_are_seeded_and_put_back():
    data = SeededDataset(Dice())

    def roll(index=1, seed=SEED, epoch=2):
        return data[EpochIndex(index, seed, epoch)]

    def state():
        return (random.getstate(), np.random.get_state()[1].tolist(),
                torch.get_rng_state().tolist())

    first, before = roll(), state()
    assert roll() == first and first[0] == 1
    assert type(first[0]) is int
    assert state() == before
    for other in (roll(index=0), roll(seed=8), roll(epoch=3)):
        assert all(a != b for a, b in zip(first[1:], other[1:], strict=True))
    # A plain index leaves everything to the process.
    assert data[1][1:] != data[1][1:]
    assert state() != before


def test_the_state_comes_back_after_an_error():
    class Broken(Dice):
        def __getitem__(self, idx):
            np.random.rand()
            raise KeyError(idx)

    before = np.random.get_state()[1].tolist()
    with pytest.raises(KeyError):
        SeededDataset(Broken())[EpochIndex(0, SEED, 0)]
    assert np.random.get_state()[1].tolist() == before


def test_an_index_travels_to_workers():
    index = pickle.loads(pickle.dumps(EpochIndex(3, SEED, 5)))
    assert (index, index.seed, index.epoch) == (3, SEED, 5)
    assert [10, 11, 12, 13][index] == 13


def test_indices_are_those_of_the_stock_sampler():
    ours = EpochSampler(Dice(), seed=SEED)
    theirs = stock.DefaultSampler(Dice(), seed=SEED)
    for sampler in (ours, theirs):
        sampler.set_epoch(3)
    assert list(ours) == list(theirs)
    assert all(i.epoch == 3 and i.seed == SEED for i in ours)


@pytest.mark.parametrize('wrap', [False, True])
def test_a_stock_data_set(photos, dataset, wrap):
    """It runs as it is, and reproducibly inside the wrapper."""
    inner = dict(type='CustomDataset', data_root=photos,
                 data_prefix='train', pipeline=dataset['pipeline'])
    config = dict(type='SeededDataset', dataset=inner) if wrap else inner
    assert DATASETS.build(config).metainfo['classes'] == ('cat', 'dog')
    one, two = (epoch_of(loader(config, workers), 1) for workers in (0, 2))
    assert (one == two) is wrap
    assert [path for path, _ in one] == [path for path, _ in two]


class Record(Hook):
    """Keeps what the model is trained on, by epoch."""

    def __init__(self):
        self.seen = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.setdefault(runner.epoch, []).append(
            torch.stack(tuple(data_batch['inputs'])))


def test_a_resumed_run_sees_the_same_images(small_run, dataset):
    def run(epochs, **options):
        cfg = small_run(**{
            'train_dataloader.dataset.pipeline': dataset['pipeline'],
            'train_cfg.max_epochs': epochs, 'val_cfg': None,
            'val_dataloader': None, 'val_evaluator': None, **options})
        hook = Record()
        runner = Runner.from_cfg(cfg)
        runner.register_hook(hook)
        runner.train()
        return hook.seen

    whole = run(3)
    run(1)
    resumed = run(3, resume=True)
    assert sorted(resumed) == [1, 2]
    for epoch, batches in resumed.items():
        assert torch.equal(torch.cat(batches), torch.cat(whole[epoch]))
    assert not torch.equal(torch.cat(whole[0]), torch.cat(whole[1]))
