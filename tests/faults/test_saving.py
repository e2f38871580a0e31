"""A run is never lost while it is saved (kill, full disk, bad folder)."""
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from run_tool import run_tool
from torch.utils.data import DataLoader

from dept_mm.cli.arguments import user_errors
from dept_mm.engine.checkpoint_files import (
    AtomicBackend,
    find_fault,
    list_checkpoints,
)
from dept_mm.errors import DeptError
from dept_mm.evaluation.results import read_result, write_result

ROOT = Path(__file__).parents[2]
Killed = KeyboardInterrupt  # which nothing on the way catches


def dies_at(monkeypatch, moment, before):
    """Kill the process at one of the calls that saving consists of."""
    calls = iter(range(1000))
    for owner, name in ((os, 'fsync'), (os, 'replace'),
                        (LocalBackend, 'remove')):
        original = getattr(owner, name)

        def call(*args, _call=original):
            if (now := next(calls) == moment) and before:
                raise Killed
            result = _call(*args)
            if now:
                raise Killed
            return result
        monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize('before', [True, False])
@pytest.mark.parametrize('keep', [1, 2])
def test_killed_at_any_call(toy, tmp_path, keep, before):
    """From the first whole checkpoint on there is always one, and it is what
    `last_checkpoint` names, or the one after that."""
    changes = dict(checkpoint=dict(max_keep_ckpts=keep))
    moment, finished, seen = 0, False, set()
    while not finished:
        name = f'{moment}'
        runner = toy(work_dir=name, default_hooks=changes)
        with pytest.MonkeyPatch.context() as monkeypatch:
            dies_at(monkeypatch, moment, before)
            try:
                runner.train()
                finished = True
            except Killed:
                pass
        folder = tmp_path / name
        saved = sorted(folder.glob('epoch_*.pth'))
        assert all(find_fault(path) is None for path in saved)
        pointer = folder / 'last_checkpoint'
        if pointer.exists():
            assert Path(pointer.read_text()).is_file()
            seen.add(pointer.read_text()[-5])
            assert len(saved) in (1, keep, keep + 1)
        moment += 1
    assert seen == set('1234')  # epochs
    assert moment > 16  # four saves of at least four calls


def test_mmengine_loses_the_run(toy, tmp_path, monkeypatch):
    """The fault is there without this package's hook: the test can fail."""
    def put(self, obj, filepath):
        Path(filepath).write_bytes(obj[:len(obj) // 2])
        if 'epoch_2' in filepath:
            raise Killed

    runner = toy()
    hook = next(h for h in runner.hooks if isinstance(h, CheckpointHook))
    runner.hooks.remove(hook)
    runner.register_hook(CheckpointHook(interval=1, max_keep_ckpts=1),
                         priority='VERY_LOW')
    monkeypatch.setattr(LocalBackend, 'put', put)
    with pytest.raises(Killed):
        runner.train()
    paths = list_checkpoints(tmp_path / 'run')
    assert paths and all(find_fault(path) for path in paths)


def test_best_checkpoint_is_removed_last(toy, tmp_path, monkeypatch):
    runner = toy(default_hooks=dict(checkpoint=dict(
        save_best='acc', rule='greater')))
    hook = next(h for h in runner.hooks if isinstance(h, CheckpointHook))
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    hook.before_train(runner)
    best = tmp_path / 'run' / 'best_acc_epoch_0.pth'
    hook._save_best_checkpoint(runner, dict(acc=1.))
    assert best.is_file()
    runner.train_loop._epoch = 1
    with monkeypatch.context() as patch, pytest.raises(Killed):
        dies_at(patch, 1, before=True)  # a removal would have come first
        hook._save_best_checkpoint(runner, dict(acc=2.))
    assert find_fault(best) is None
    runner.message_hub.update_info('best_score', 1.)
    hook.best_ckpt_path = str(best)
    hook._save_best_checkpoint(runner, dict(acc=2.))
    assert not best.exists()
    assert find_fault(best.with_name('best_acc_epoch_1.pth')) is None


@contextmanager
def limit_files(size):
    """The system refuses to write more bytes into a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_what_was_there(tmp_path):
    """The system itself refuses to write on, in the middle of the file."""
    path = tmp_path / 'epoch_1.pth'
    path.write_bytes(b'old')
    with limit_files(2**12), pytest.raises(DeptError) as refused:
        AtomicBackend().put(b'new' * 9999, str(path))
    error = str(refused.value)
    assert f'epoch_1.pth cannot be written to {tmp_path}' in error
    assert 'File too large' in error
    assert '--work-dir' in error
    assert [p.name for p in tmp_path.iterdir()] == ['epoch_1.pth']
    assert path.read_bytes() == b'old'


def test_result_is_whole(tmp_path):
    """A summary never reads half of a result."""
    path = write_result(tmp_path, dict(results={}))
    with limit_files(2**12), pytest.raises(OSError,
                                           match='File too large'):
        write_result(tmp_path, dict(results={'x' * 9999: 1}))
    assert read_result(path)['results'] == {}


def test_full_disk_in_training(toy, tmp_path, monkeypatch):
    runner = toy()

    def fsync(_):
        raise OSError(28, 'No space left on device')

    replace = os.replace

    def full_from_epoch_3(source, target):
        replace(source, target)
        if 'epoch_2' in str(target):
            monkeypatch.setattr(os, 'fsync', fsync)

    monkeypatch.setattr(os, 'replace', full_from_epoch_3)
    with pytest.raises(DeptError, match='No space left on device'):
        runner.train()
    monkeypatch.undo()
    folder = tmp_path / 'run'
    names = {p.name for p in folder.iterdir() if p.is_file()}
    # `last_checkpoint` of epoch 2 already met the full disk.
    assert {'epoch_1.pth', 'epoch_2.pth', 'last_checkpoint'} <= names
    assert not [name for name in names if name.endswith('.tmp')]
    again = toy(resume=True)
    again.train()
    assert again.epoch == 4


def test_limit_on_the_size_of_files(tmp_path):
    with (limit_files(2**26), pytest.raises(SystemExit) as end,
          user_errors(), open(tmp_path / 'log', 'wb') as file):
        file.truncate(2**27)
    assert 'File too large' in str(end.value)
    assert 'ulimit -f' in str(end.value)


def test_limit_on_what_workers_send():
    """torch puts it into a file in memory."""
    loader = DataLoader([torch.zeros(2**25)], num_workers=1)
    with (limit_files(2**26), pytest.raises(SystemExit) as end,
          user_errors()):
        next(iter(loader))
    text = str(end.value)
    assert text.startswith('error: ') and 'Traceback' not in text
    assert 'ulimit -f' in text and 'num_workers=0' in text


def test_folder_that_cannot_be_written_to(toy, tmp_path):
    """Known before the first step."""
    (tmp_path / 'file').write_text('')
    steps = []
    runner = toy(default_hooks=dict(checkpoint=dict(
        out_dir=str(tmp_path / 'file'))))
    runner.model.register_forward_hook(lambda *args: steps.append(1))
    with pytest.raises(DeptError, match='file/run cannot be written to'):
        runner.train()
    assert not steps


def test_work_dir_that_cannot_be_written_to(tmp_path):
    (tmp_path / 'file').write_text('')
    done = run_tool('train.py', ROOT / 'configs/dept/quickstart.py',
                    '--work-dir', tmp_path / 'file/run')
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f'error: {tmp_path}/file/run cannot be written')
    assert error.endswith('Give another folder: --work-dir DIR.')


def test_left_over_parts_are_removed(toy, tmp_path):
    run = tmp_path / 'run'
    run.mkdir()
    mine = run / 'notes.tmp'
    for path in (mine, *(run / f'{name}.{"0" * 32}.tmp' for name in (
            'epoch_1.pth', 'last_checkpoint', 'result.json'))):
        path.write_bytes(b'half')
    toy(epochs=1).train()
    assert list(run.glob('*.tmp')) == [mine]


def test_text_is_written_whole(tmp_path):
    AtomicBackend().put_text('é', tmp_path / 'new/last_checkpoint')
    assert (tmp_path / 'new/last_checkpoint').read_bytes() == b'\xc3\xa9'
