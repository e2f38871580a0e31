"""Results of a training and of a test of its checkpoint belong together."""
import csv
import io
import shutil

from run_tool import run_tool

from dept_mm.evaluation import read_result


def call(*args):
    done = run_tool(*args)
    assert not done.returncode, done.stderr
    return done.stdout


def test_of_clip(small_run, tmp_path):
    """Wherever the weights lie, and whoever hands them to the runner."""
    runs, config = tmp_path / 'runs', tmp_path / 'config.py'
    cfg = small_run(**{'val_dataloader.dataset.indices': 8,
                       'test_dataloader.dataset.indices': 8})
    cfg.pop('work_dir')
    cfg.dump(config)
    call('train.py', config, '--work-dir', runs / 'train')
    saved = shutil.copy(runs / 'train/epoch_1.pth', tmp_path / 'moved.pth')
    begun = '--cfg-options', f'load_from={saved}'
    call('test.py', config, saved, '--work-dir', runs / 'ours')
    call('test.py', config, *begun, '--work-dir', runs / 'theirs')
    table = list(csv.DictReader(io.StringIO(
        call('summarize.py', runs, '--format', 'csv'))))
    assert {row['seeds'] for row in table} == {'1'}
    # A training that began with other weights is another run.
    call('test.py', config, runs / 'train/epoch_1.pth', *begun, '--work-dir',
         tmp_path / 'begun')
    path, = (tmp_path / 'begun').rglob('result.json')
    assert read_result(path)['fingerprint'] != read_result(
        runs / 'train')['fingerprint']
