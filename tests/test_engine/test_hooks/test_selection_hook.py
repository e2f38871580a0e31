"""The epoch that validation images choose is the one that is tested."""
import os
import signal
from copy import deepcopy
from types import SimpleNamespace

import pytest
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from run_tool import run_tool

from dept_mm.config import select_epoch
from dept_mm.datasets import StoredFeatures
from dept_mm.engine.hooks import SelectionHook
from dept_mm.evaluation import read_result

EPOCHS = 4


class Recorder(Hook):
    """Notes validations, tests, and what is tested; may end the run."""

    def __init__(self, end=None):
        self.end, self.scores, self.tests, self.tested = end, [], 0, None

    def before_train_epoch(self, runner):
        if runner.epoch == self.end:
            raise KeyboardInterrupt

    def after_val_epoch(self, runner, metrics=None):
        self.scores.append(metrics['base_new/base'])

    def before_test_epoch(self, runner):
        if self.end == 'test':
            os.kill(os.getpid(), signal.SIGTERM)
        self.tests += 1
        self.tested = runner.test_dataloader.dataset


@pytest.fixture
def plain(small_run):
    """A run whose epochs differ."""
    return small_run(**{
        'train_cfg.max_epochs': EPOCHS, 'optim_wrapper.optimizer.lr': .03,
        'train_dataloader.dataset.num_shots': 2,
        'test_dataloader.dataset.indices': list(range(0, 1600, 40))})


def train(cfg, work_dir, end=None, **changes):
    """Train; returns the notes of what happened, and the result."""
    cfg = deepcopy(cfg)
    cfg.merge_from_dict(dict(changes, work_dir=str(work_dir)))
    runner, notes = Runner.from_cfg(cfg), Recorder(end)
    runner.register_hook(notes)
    if end is None:
        runner.train()
        return notes, read_result(work_dir)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        runner.train()


def test_the_best_epoch_is_tested(plain, tmp_path):
    cfg = deepcopy(plain)
    select_epoch(cfg)
    notes, result = train(cfg, tmp_path / 'run')
    # The first of the best; the last one would be no test.
    best = 1 + notes.scores.index(max(notes.scores))
    assert len(set(notes.scores)) > 1 and len(notes.scores) == EPOCHS
    assert notes.tests == 1
    name = f'best_base_new_base_epoch_{best}.pth'
    assert result['selection'] == dict(
        split='val', metric='base_new/base', score=max(notes.scores),
        epoch=best, checkpoint=name)
    counts = result['results']['selection']['shapes']['base']
    assert 100 * counts['correct'] / counts['total'] == max(notes.scores)
    assert result['images'].keys() == {'train', 'test/shapes', 'selection'}
    # A test of that file gives the same counts, zero-shot CLIP as many.
    plain.dump(tmp_path / 'plain.py')
    done = run_tool('test.py', tmp_path / 'plain.py', tmp_path / 'run' / name,
                    '--work-dir', tmp_path / 'test')
    assert done.returncode == 0, done.stderr
    path, = (tmp_path / 'test').rglob('result.json')
    tuned = result['results']['tuned']
    assert read_result(path)['results']['tested'] == tuned
    assert tuned['shapes']['base']['total'] == result[
        'results']['zero-shot']['shapes']['base']['total'] == 20


@pytest.mark.parametrize('patience, end', [(None, 2), (1, 1),
                                           (1, 'test')])
def test_a_resumed_run_chooses_alike(plain, tmp_path, patience, end):
    select_epoch(plain, patience=patience)
    _, whole = train(plain, tmp_path / 'whole')
    train(plain, tmp_path / 'parts', end=end)
    _, parts = train(plain, tmp_path / 'parts', resume=True)
    assert parts['selection'] == whole['selection']
    assert parts['results'] == whole['results']


def test_stored_features_are_tested_on(plain, tmp_path):
    select_epoch(plain)
    plain.custom_hooks.append(dict(type='FeatureStoreHook',
                                   root=str(tmp_path / 'features')))
    notes, _ = train(plain, tmp_path / 'run', **{'train_cfg.max_epochs': 1})
    assert isinstance(notes.tested, StoredFeatures)


@pytest.mark.parametrize('patience, validations', [(None, 6), (2, 4), (3, 6)])
def test_patience(patience, validations):
    """It ends after that many validations without a better one; an equal one
    is no better."""
    hub = MessageHub.get_instance(f'patience-{patience}')
    loop = SimpleNamespace(epoch=0, iter=0, val_interval=10,
                           stop_training=False)
    runner = SimpleNamespace(
        train_loop=loop, message_hub=hub,
        logger=SimpleNamespace(info=lambda text: None),
        val_loop=SimpleNamespace(evaluator=SimpleNamespace(metrics=[])))
    seen = 0
    for score in (50., 60., 60., 55., 70., 1.):
        seen += 1
        loop.iter = 10 * seen
        # A process that goes on knows only what a checkpoint holds.
        SelectionHook(patience=patience).after_val_epoch(
            runner, {'base_new/base': score})
        if loop.stop_training:
            break
    assert seen == validations
    assert hub.get_info('selection')['step'] == (20 if patience == 2 else 50)
