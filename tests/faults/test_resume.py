"""Resuming: from what is whole, and to the same numbers."""
import itertools
import multiprocessing
import pickle
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.engine.checkpoint_files import find_fault, list_checkpoints
from dept_mm.engine.hooks import EpochSeedHook
from dept_mm.engine.hooks.stop_signal_hook import end_workers
from dept_mm.errors import DeptError

Killed = KeyboardInterrupt
COUNT = itertools.count()


class Dies(Hook):
    """Ends the process before an epoch."""
    priority = 'VERY_HIGH'

    def __init__(self, epoch):
        self.epoch = epoch

    def before_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            raise Killed


class Noise(Hook):
    """Uses every random state of the process in each step."""

    def after_train_iter(self, runner, batch_idx, data_batch=None,
                         outputs=None):
        with torch.no_grad():
            for parameter in runner.model.parameters():
                if parameter.requires_grad:
                    parameter += 1e-3 * (random.random() + np.random.rand()
                                         + torch.rand(parameter.shape))


def bits(path):
    """What a resumed run would go on with."""
    found = torch.load(path, weights_only=True)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert key in found
    return {k: v for k, v in found.items() if k not in (
        'meta', 'message_hub')}


def same(one, two):
    if isinstance(one, torch.Tensor):
        return one.dtype == two.dtype and torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(
            same(v, two[k]) for k, v in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(same, one, two))
    return one == two


@pytest.fixture
def run(small_run, tmp_path):
    """Three epochs of DePT with random crops, averaged, with noise; killed
    before an epoch (if any); validated in between."""
    def train(work_dir, dies=None, resume=False, workers=0,
              persistent=False):
        cfg = small_run(**{
            'train_cfg.max_epochs': 3, 'val_dataloader.dataset.indices': 4,
            'train_dataloader.num_workers': workers,
            'train_dataloader.persistent_workers': persistent})
        cfg.train_dataloader.dataset.pipeline = [
            dict(type='LoadRGBImage'),
            dict(type='CLIPRandomResizedCrop', clip=cfg.clip),
            dict(type='PackInputs')]
        cfg.param_scheduler = [dict(type='CosineAnnealingLR', T_max=3)]
        cfg.work_dir = str(tmp_path / work_dir)
        cfg.experiment_name = f'resume{next(COUNT)}'
        cfg.resume = resume
        cfg.custom_hooks = [dict(type='GaussianPromptAveragingHook', mean=2)]
        runner = Runner.from_cfg(cfg)
        for hook in (Noise(), Dies(dies)):
            runner.register_hook(hook)
        try:
            runner.train()
        except Killed:
            assert not resume
            end_workers()  # as at the end of the process
        return Path(cfg.work_dir) / 'epoch_3.pth'

    return train


@pytest.mark.parametrize('options', [
    dict(), dict(workers=2), dict(workers=2, persistent=True)], ids=str)
def test_resumed_is_uninterrupted(run, options):
    others = set(multiprocessing.active_children())
    whole = run('whole', **options)
    assert not run('parts', dies=2, **options).exists()
    torch.rand(3), np.random.rand(3), random.random()  # another process
    resumed = run('parts', resume=True, **options)
    assert same(bits(whole), bits(resumed))
    # Workers would hold up this process when the runs are garbage.
    assert set(multiprocessing.active_children()) <= others


@pytest.mark.parametrize('seeded', [True, False])
def test_random_state_would_matter(toy, tmp_path, seeded):
    """Without its hook a resumed run draws other numbers."""
    def train(*hooks, **options):
        runner = toy(Noise(), *hooks, **options)
        if not seeded:
            runner._hooks = [hook for hook in runner.hooks
                             if not isinstance(hook, EpochSeedHook)]
        runner.train()

    train(work_dir='whole')
    with pytest.raises(Killed):
        train(Dies(2))
    train(resume=True)
    assert same(bits(tmp_path / 'whole/epoch_4.pth'),
                bits(tmp_path / 'run/epoch_4.pth')) == seeded


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b'')


def flip(path):
    """One bit in the middle of the longest member, the weights."""
    data = bytearray(path.read_bytes())
    weight = torch.load(path, weights_only=True)['state_dict'][
        'linear.weight'].numpy().tobytes()
    data[data.index(weight)] ^= 1
    path.write_bytes(data)


class Harm:

    def __reduce__(self):
        return open, (str(self.path), 'w')


def pickled(path):
    """An own checkpoint in which somebody has hidden a call."""
    found = torch.load(path, weights_only=True)
    Harm.path = path.with_name('harm')
    torch.save(dict(found, extra=Harm()), path)


def remove(path):
    path.unlink()


DAMAGES = [(cut, 'its end is missing'), (empty, 'its end is missing'),
           (flip, 'checksum'), (pickled, 'pickled objects'),
           (remove, 'no such file')]


@pytest.mark.parametrize('damage, reason', DAMAGES)
def test_damaged_newest_is_passed_over(toy, tmp_path, damage, reason,
                                       monkeypatch):
    toy(epochs=3).train()
    good = torch.load(tmp_path / 'run/epoch_3.pth', weights_only=True)
    damage(tmp_path / 'run/epoch_3.pth')
    runner, said = toy(epochs=3, resume=True), []
    monkeypatch.setattr(runner.logger, 'warning',
                        lambda text, *args: said.append(text))
    runner.train()
    assert runner._load_from == str(tmp_path / 'run/epoch_2.pth')
    assert 'epoch_3.pth' in said[0] and reason in said[0]
    assert not (tmp_path / 'run/harm').exists()
    again = torch.load(tmp_path / 'run/epoch_3.pth', weights_only=True)
    assert same(good['state_dict'], again['state_dict'])


@pytest.mark.parametrize('resume', [True, False])
@pytest.mark.parametrize('damage, reason', DAMAGES)
def test_damaged_file_that_is_named(toy, tmp_path, damage, reason, resume):
    """Also without --resume, as tools/test.py loads one."""
    toy(epochs=2).train()
    path = tmp_path / 'run/epoch_2.pth'
    damage(path)
    runner = toy(resume=resume, load_from=str(path))
    with pytest.raises(DeptError, match=re.escape(str(path))) as error:
        runner.train()
    assert reason in str(error.value)
    assert not (tmp_path / 'run/harm').exists()


def test_pickle_would_be_executed(tmp_path):
    """The file of the tests above is harmful."""
    path = tmp_path / 'epoch_1.pth'
    torch.save({}, path)
    pickled(path)
    torch.load(path, weights_only=False)
    assert (tmp_path / 'harm').exists()
    assert 'pickled' in find_fault(path)
    path.write_bytes(pickle.dumps(Harm()))  # torch's oldest format
    (tmp_path / 'harm').unlink()
    assert find_fault(path)
    assert not (tmp_path / 'harm').exists()


def test_nothing_whole_is_an_error(toy, tmp_path):
    toy(epochs=2).train()
    for path in (tmp_path / 'run').glob('epoch_*.pth'):
        cut(path)
    with pytest.raises(DeptError, match='epoch_2.pth.*epoch_1.pth.*start'):
        toy(resume=True).train()


def test_nothing_saved_starts_anew(toy):
    runner = toy(epochs=1, resume=True)
    runner.train()
    assert (runner.epoch, runner.iter) == (1, 2)


def test_validation_that_was_missed(small_run, tmp_path):
    """Killed in the last validation: resuming makes up for it."""
    class DiesValidating(Hook):
        def before_val_iter(self, runner, batch_idx, data_batch=None):
            raise Killed

    cfg = small_run()
    cfg.experiment_name = f'resume{next(COUNT)}'
    runner = Runner.from_cfg(cfg)
    runner.register_hook(DiesValidating())
    with pytest.raises(Killed):
        runner.train()
    assert not (tmp_path / 'result.json').exists()
    cfg.experiment_name, cfg.resume = f'resume{next(COUNT)}', True
    Runner.from_cfg(cfg).train()
    assert 'tuned' in (tmp_path / 'result.json').read_text()


def touch(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text('')


def names(folder):
    return [path.name for path in list_checkpoints(folder)]


def test_order_of_candidates(tmp_path):
    touch(tmp_path, 'epoch_9.pth', 'epoch_10.pth', 'epoch_11.pth',
          'best_acc_epoch_10.pth', 'epoch_8.pth.0.tmp', 'iter_99.pth')
    assert names(tmp_path) == ['epoch_11.pth', 'epoch_10.pth', 'epoch_9.pth']
    pointer = tmp_path / 'last_checkpoint'
    # Higher ones are those of an older run.
    pointer.write_text(str(tmp_path / 'epoch_10.pth'))
    assert names(tmp_path) == ['epoch_10.pth', 'epoch_9.pth']
    pointer.write_text('/moved/away/epoch_10.pth\n')
    assert names(tmp_path) == ['epoch_10.pth', 'epoch_9.pth']
    pointer.write_text(str(tmp_path / 'iter_100.pth'))
    assert names(tmp_path) == ['iter_100.pth', 'iter_99.pth']
    touch(tmp_path / 'out', 'mine_3_.pth', 'mine_4_.pth')
    pointer.write_text(str(tmp_path / 'out/mine_4_.pth'))
    assert names(tmp_path) == ['mine_4_.pth', 'mine_3_.pth']
    pointer.write_text('')
    assert names(tmp_path)[0] == 'epoch_11.pth'
    assert list_checkpoints(tmp_path / 'out/none') == []
