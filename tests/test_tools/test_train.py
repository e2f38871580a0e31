"""What tools/train.py shows, and what it leaves to the log."""
import pytest
import torch
from mmengine.config import Config
from run_tool import run_tool
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator,
)

from dept_mm.cli.arguments import log_to
from dept_mm.config import check_resumed, config_fingerprint
from dept_mm.evaluation import read_result

CUT = {'val_dataloader.dataset.indices': 8,
       'test_dataloader.dataset.indices': 8,
       'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 2}


@pytest.fixture
def config(small_run, tmp_path):
    """Path of the config of a short run."""
    small_run(**CUT).dump(tmp_path / 'short.py')
    return tmp_path / 'short.py'


def log_of(folder):
    log, = folder.glob('*/*.log')
    return log.read_text()


def test_a_short_account(config, tmp_path):
    """The log has everything, the console what a person wants to know."""
    run = tmp_path / 'run'
    done = run_tool('train.py', config, '--work-dir', run)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    text = ' '.join(lines)
    assert '\x1b' not in done.stdout and '\r' not in done.stdout
    for words in ('trains CoOpPrompt and DePTHead on top of a frozen CLIP',
                  'The data are 16 samples of shapes, of 16 of its 32 classes',
                  'It takes 2 epochs of 4 steps, seed 1, on the CPU.'):
        assert words in text
    assert [line.split(',')[0] for line in lines if line.startswith('epoch')
            ] == ['epoch 1 of 2', 'epoch 2 of 2']
    tuned, = read_result(run)['results']['tuned'].values()
    row = next(line for line in lines if line.startswith('tuned'))
    percent = 100 * tuned['base']['correct'] / 8
    assert float(row.split()[1]) == percent
    assert any(line.startswith('change') for line in lines)
    assert f'publish_model.py {run}' in text
    said = text + done.stderr
    assert 'INFO' not in said and 'WARNING: "FileClient' not in said
    log = log_of(run)
    assert 'Epoch(train) [2][4/4]' in log and 'deprecated' in log
    assert str(next(run.glob('*/*.log'))) in text


def test_the_whole_log_on_demand(config, tmp_path):
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'run',
                    '--verbose', '--cfg-options', 'train_cfg.max_epochs=1')
    assert 'Epoch(train) [1][4/4]' in done.stdout
    assert 'INFO' in done.stdout


def test_another_process_is_silent(config, tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.dist.is_main_process', lambda: False)
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'run',
                    '--select', 'val', '--cfg-options',
                    'train_cfg.max_epochs=1')
    assert done.returncode == 0, done.stderr
    assert done.stdout == '' and (tmp_path / 'run/epoch_1.pth').is_file()


def test_validation_images_choose(config, tmp_path):
    """... and TensorBoard gets the curves; neither is told by a dry run."""
    run = tmp_path / 'run'
    args = ['train.py', config, '--work-dir', run, '--select', 'val',
            '--log', 'tensorboard']
    dry = run_tool(*args, '--dry-run')
    assert dry.returncode == 0, dry.stderr
    text = ' '.join(dry.stdout.split())
    assert "8 others, of split 'val', choose the epoch that is tested" in text
    assert '(2 of validation, 1 of the test, 1 of zero-shot CLIP)' in text
    assert not run.exists()
    done = run_tool(*args)
    assert done.returncode == 0, done.stderr
    best, = run.glob('best_*.pth')
    assert "chosen on split 'val'" in done.stdout
    published = run_tool('publish_model.py', run, tmp_path / 'mine')
    assert published.returncode == 0, published.stderr
    file, = tmp_path.glob('mine*.safetensors')
    learned = torch.load(best, weights_only=True)['state_dict']
    for key, value in load_file(file).items():
        assert torch.equal(value, learned[key])
    assert read_result(run)['selection']['checkpoint'] == best.name
    folder, = run.glob('*/vis_data')
    curves = EventAccumulator(str(folder)).Reload()
    assert [one.step for one in curves.Scalars('base_new/base')] == [1, 2]
    assert [one.step for one in curves.Scalars('loss')] == [4, 8]


@pytest.mark.parametrize('options, words', [
    (['--log', 'wandb'], 'pip install wandb'),
    (['--patience', '2'], '--patience needs --select val'),
    (['--select', 'val', '--no-validate'], 'that --no-validate leaves out')])
def test_options_that_do_not_work(config, options, words, monkeypatch):
    monkeypatch.setattr('dept_mm.cli.arguments.find_spec', lambda name: None)
    done = run_tool('train.py', config, *options)
    assert done.returncode == 1 and words in done.stderr


def test_what_a_run_logs_to_is_no_option_of_it(config):
    """So a run may be resumed with another logger, or without."""
    before = Config.fromfile(config)
    now = Config.fromfile(config)
    log_to(now, ['tensorboard'])
    assert now.visualizer.vis_backends[-1].type == 'TensorboardVisBackend'
    check_resumed(before, now)
    assert config_fingerprint(now) == config_fingerprint(before)


def test_warnings_are_shown(config, tmp_path):
    """There is no image of this size to a class."""
    done = run_tool('train.py', config, '--work-dir', tmp_path / 'run',
                    '--cfg-options', 'train_cfg.max_epochs=1',
                    'train_dataloader.dataset.num_shots=40',
                    'train_dataloader.dataset.indices=4')
    assert done.returncode == 0, done.stderr
    assert 'WARNING: DrawnShapes: these classes have fewer than' in done.stderr


def test_a_dry_run(config, tmp_path):
    """It says what would happen, and leaves nothing behind."""
    done = run_tool(
        'train.py', config, '--work-dir', tmp_path / 'run', '--dry-run',
        '--cfg-options', 'train_cfg.max_epochs=7', 'train_cfg.val_interval=3',
        'val_dataloader.dataset.indices=250')
    assert done.returncode == 0, done.stderr
    text = ' '.join(done.stdout.split())
    # Validated after epochs 3, 6 and 7, in batches of 100.
    assert '28 steps of ' in text and '12 batches of evaluation of' in text
    assert '(9 of validation, 3 of zero-shot CLIP)' in text
    assert f'will be in {tmp_path}/run.' in text
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('option', [
    ['--resume'], ['--launcher', 'pytorch']])
def test_what_a_dry_run_refuses(config, option, monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    done = run_tool('train.py', config, '--dry-run', *option)
    assert done.returncode == 1
    assert 'leave out --launcher and --resume' in done.stderr


def test_several_data_sets(small_run, tmp_path):
    """Whoever counts them leaves the one that is evaluated in place."""
    clean = dict(type='DrawnShapes', style='clean', indices=5)
    small_run(**{**CUT, 'train_cfg.max_epochs': 1, 'val_cfg': dict(
        type='MultiDatasetValLoop', datasets=dict(clean=clean))}).dump(
            tmp_path / 'several.py')
    args = 'train.py', tmp_path / 'several.py', '--work-dir', tmp_path / 'run'
    dry = ' '.join(run_tool(*args, '--dry-run').stdout.split())
    assert '(2 of validation, 2 of zero-shot CLIP)' in dry
    done = run_tool(*args)
    assert done.returncode == 0, done.stderr
    rows = read_result(tmp_path / 'run')['results']['tuned']
    assert {name: row['base']['total'] for name, row in rows.items()} == dict(
        shapes=8, clean=5)
    assert 'clean change' in done.stdout
