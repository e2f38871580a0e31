"""Sweeps whose runs train as one batch."""
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest
import sweep
from _sweep import job

from dept_mm.errors import DeptError
from dept_mm.models.clip.text_tower import TextTower

ROOT = Path(__file__).parents[2]

LR = 'optim_wrapper.optimizer.lr'


@pytest.fixture
def stacked(monkeypatch, tmp_path, clip):
    """A function that runs the command; it gives back the exit message."""
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))  # own locks

    # The command's own handlers would stay.
    monkeypatch.setattr(sweep.signal, 'signal', lambda *args: None)

    def main(*options):
        monkeypatch.setattr(sys, 'argv', [
            'sweep.py', '--configs', str(ROOT / 'configs/dept/quickstart.py'),
            '--seeds', '1', '2', '--shots', '1', '--executor', 'stacked',
            '--gpus', '--root', str(tmp_path / 'root'), *options,
            '--cfg-options', *(f'clip.{k}={v}' for k, v in clip.items()),
            'train_cfg.max_epochs=1', 'val_dataloader.dataset.indices=32',
            'train_dataloader.num_workers=0', 'train_cfg.val_interval=1',
            'train_dataloader.batch_size=8', 'val_dataloader.num_workers=0'])
        try:
            sweep.main()
        except SystemExit as end:
            return end.code

    return main


def events(folder):
    lines = (folder / job.JOURNAL).read_text().splitlines()
    return [json.loads(line)['event'] for line in lines]


def test_the_command(stacked, tmp_path, capsys, monkeypatch):
    """Seeds and settings in one batch; what is done is not done again."""
    shapes, run = [], TextTower.__call__

    def record(self, *args):
        out = run(self, *args)
        if out.requires_grad:
            shapes.append(tuple(out.shape[:-1]))
        return out

    monkeypatch.setattr(TextTower, '__call__', record)
    weights = '--set', 'model.head.loss_weight=0.3,0.7'
    assert stacked(*weights) is None
    assert shapes == 2 * [(4, 16)]
    folders = sorted(tmp_path.glob('root/*seed*'))
    assert len(folders) == 4
    for folder in folders:
        result = json.loads((folder / 'result.json').read_text())
        assert f'seed{result["seed"]}' in folder.name
        assert folder.name.endswith(result['fingerprint'][:8])
        assert events(folder) == ['started', 'finished']
        log, = folder.glob('*/*.log')
        assert f'[{folder.name}] Top-1 accuracy' in log.read_text()
    table = capsys.readouterr().out.partition('\n| |')[2]
    assert table.count('±') == 2
    assert stacked(*weights) is None and len(shapes) == 2
    assert capsys.readouterr().out.partition('\n| |')[2] == table
    assert all(len(events(folder)) == 2 for folder in folders)


def test_failures_are_told_and_tried_again(stacked, tmp_path, capsys):
    setting = '--set', f'{LR}=0.0035,1e30'
    assert 'Some runs have no result' in stacked(*setting)
    ends = {folder.name: events(folder)
            for folder in tmp_path.glob('root/*seed*')}
    assert sorted(ends.values()) == 2 * [['started', 'failed']] + 2 * [
        ['started', 'finished']]
    assert all(('1e30' in name) == (end[1] == 'failed')
               for name, end in ends.items())
    assert 'Training diverged' in capsys.readouterr().out
    stacked(*setting)  # nothing but the report
    assert 'Training diverged' in capsys.readouterr().out
    stacked(*setting, '--retry')
    tried = [events(f) for f in tmp_path.glob('root/*1e30*')]
    assert tried == 2 * [['started', 'failed'] * 2]


def test_what_another_sweep_trains_is_left_to_it(stacked, tmp_path):
    stacked()
    first, second = sorted(tmp_path.glob('root/*seed*'))
    os.remove(second / 'result.json')
    with job.lock(second / job.JOURNAL):
        assert 'Some runs have no result' in stacked()
    assert events(second) == ['started', 'finished']
    assert stacked() is None
    assert events(second) == ['started', 'finished'] * 2
    assert events(first) == ['started', 'finished']


def test_several_processes(stacked):
    with pytest.raises(DeptError, match='leave out --processes'):
        stacked('--processes', '2')
