"""Sweeps: each run once, whatever happens in between."""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
import sweep
from _sweep import job
from _sweep.schedule import Schedule
from processes import run_script, start
from run_tool import run_tool
from sweep_worker import FAKE, make_runs, schedule

ROOT = Path(__file__).parents[2]

DEPT = str(ROOT / 'configs/dept/quickstart.py')
SOME = list(range(0, 1600, 25))  # test images of all classes
WORKER = str(ROOT / 'tests/test_tools/sweep_worker.py')


def trace(root, event=None):
    """What the fake training wrote down."""
    path = root / 'trace.jsonl'
    found = map(json.loads, path.read_text().splitlines()
                if path.is_file() else [])
    return [e for e in found if event in (None, e['event'])]


def results(root):
    """Folder -> images of base that were right."""
    return {path.parent.name: json.loads(path.read_text())['results'][
        'tuned']['shapes']['base']['correct']
            for path in root.glob('*/result.json')}


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, 'never came'
        time.sleep(.01)


def test_finished_runs_are_skipped(tmp_path):
    runs = make_runs(tmp_path / 'root', 5)
    good = json.dumps(dict(fingerprint=runs[0].fingerprint,
                           results=dict(tuned=dict(dtd={}))))
    for run, text in zip(runs, (
            good, good[:-3], good,  # whole, half written, of another config
            json.dumps(dict(fingerprint=runs[3].fingerprint, results={}))),
            strict=False):
        run.work_dir.mkdir(parents=True)
        (run.work_dir / 'result.json').write_text(text)
    assert schedule(runs, 1).ends == {runs[0]: 'finished'}


def spans(root):
    """Device -> when each of its trainings began and ended, in order."""
    ended = {e['seed']: e['time'] for e in trace(root, 'end')}
    found = {}
    for entry in trace(root, 'start'):
        found.setdefault(entry['device'], []).append(
            (entry['time'], ended[entry['seed']]))
    return found


def test_never_two_jobs_on_one_device(tmp_path):
    """And all devices are in use."""
    runs = make_runs(tmp_path, 4)
    plan = schedule(runs, 2)
    plan.run()
    assert plan.ends == dict.fromkeys(runs, 'finished')
    starts = trace(tmp_path, 'start')
    assert sorted(e['seed'] for e in starts) == [1, 2, 3, 4]
    assert {e['threads'] for e in starts} == {'1'}
    found = spans(tmp_path)
    assert found.keys() == {'0', '1'}
    for times in found.values():
        assert all(a[1] <= b[0] for a, b in pairwise(times))


def test_two_sweeps_at_once(tmp_path):
    """Each run is trained once, whoever begins with it."""
    runs = make_runs(tmp_path, 3)
    plans = [schedule(order, 1) for order in (runs, runs[::-1])]
    threads = [threading.Thread(target=plan.run) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for plan in plans:
        assert plan.ends == dict.fromkeys(runs, 'finished')
    assert sorted(e['seed'] for e in trace(tmp_path, 'start')) == [1, 2, 3]


def test_a_job_leaves_a_run_alone_that_is_taken(tmp_path):
    run, = make_runs(tmp_path, 1)
    run.work_dir.mkdir()
    (run.work_dir / job.LOG).touch()
    with job.claim(run):
        assert job.is_running(run)
        assert job.Job(run, FAKE, '0', 1)() is None
    assert not job.is_running(run) and not trace(tmp_path)
    assert job.Job(run, FAKE, '0', 1)() == 0
    assert job.Job(run, FAKE, '0', 1)() == 0
    assert len(trace(tmp_path, 'start')) == 1


@pytest.fixture
def worker(tmp_path):
    """A sweep of three runs on one device, stopped in the middle of one."""
    root = tmp_path / 'root'
    root.mkdir()
    (root / 'hold').touch()
    process = subprocess.Popen([sys.executable, WORKER, str(root), '3', '1'],
                               start_new_session=True)
    wait_for(lambda: any(e['seed'] == 2 for e in trace(root, 'epoch')))
    assert len(results(root)) == 1
    yield process
    (root / 'hold').unlink(missing_ok=True)  # also of a test that failed


def finish(tmp_path):
    """Go on to the end, with all results.

    Returns:
        dict: Seed -> epochs that were done at each start of the run.
    """
    (tmp_path / 'root/hold').unlink()
    runs = make_runs(tmp_path / 'root', 3)
    plan = schedule(runs, 1)
    plan.run()
    assert plan.ends == dict.fromkeys(runs, 'finished')
    assert results(tmp_path / 'root') == {
        f'fake-{i}': i for i in range(1, 4)}
    starts = {}
    for entry in trace(tmp_path / 'root', 'start'):
        starts.setdefault(entry['seed'], []).append(entry['done'])
    return starts


def test_all_killed_half_way(worker, tmp_path):
    """As by a power cut; the run that was cut goes on, not anew."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert finish(tmp_path) == {1: [0], 2: [0, 1], 3: [0]}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_sweep_is_told_to_stop(worker, tmp_path, number):
    """It cancels its jobs before it ends."""
    run = make_runs(tmp_path / 'root', 3)[1]
    worker.send_signal(number)
    assert worker.wait(20) != 0
    assert not job.is_running(run)
    assert finish(tmp_path) == {1: [0], 2: [0, 1], 3: [0]}


def test_the_tool_itself_is_told_to_stop(tmp_path, monkeypatch):
    """Whatever was set before, also where it was to be ignored."""
    seen = []
    monkeypatch.setattr(Schedule, 'run', lambda plan: (
        os.kill(os.getpid(), signal.SIGTERM), seen.append('went on')))
    monkeypatch.setattr(sys, 'argv', [
        'sweep.py', '--configs', DEPT, '--seeds', '1', '--gpus',
        '--root', str(tmp_path)])
    before = {number: signal.signal(number, signal.SIG_IGN)
              for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with pytest.raises(SystemExit, match='Interrupted'):
            sweep.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert not seen


def test_ctrl_c(worker, tmp_path):
    """A terminal tells all processes."""
    os.killpg(worker.pid, signal.SIGINT)
    assert worker.wait(20) != 0
    assert finish(tmp_path) == {1: [0], 2: [0, 1], 3: [0]}


def test_only_the_sweep_killed(worker, tmp_path):
    """Its job goes on; the next sweep waits for it."""
    worker.kill()
    worker.wait()
    assert job.is_running(make_runs(tmp_path / 'root', 3)[1])
    assert finish(tmp_path) == {i: [0] for i in range(1, 4)}


def test_a_checkpoint_that_is_gone(tmp_path):
    run, = make_runs(tmp_path, 1)
    run.work_dir.mkdir()
    (run.work_dir / 'last_checkpoint').write_text(str(tmp_path / 'gone.pth'))
    assert '--resume' not in job.Job(run, FAKE).command()
    (tmp_path / 'gone.pth').touch()
    assert '--resume' in job.Job(run, FAKE).command()


def test_failures_are_told_and_tried_again(tmp_path, capsys):
    runs = [make_runs(tmp_path, 1)[0],
            *make_runs(tmp_path, 2, '--fail')[1:]]
    plan = schedule(runs, 2)
    plan.run()
    assert plan.ends == {runs[0]: 'finished', runs[1]: 'failed, exit code 1'}
    sweep.report(plan)
    sweep.print_table(runs)
    out = capsys.readouterr().out
    assert 'fake, seed 2: failed, exit code 1; ' in out
    assert '    loss is 2\n    error: out of luck\n' in out
    assert '| fake (1 of 2 seeds) | 10.00 | 50.00 | 16.67 |' in out
    (tmp_path / 'mended').touch()
    plan = schedule(runs, 2)
    plan.run()
    assert set(plan.ends.values()) == {'finished'}
    assert [e['seed'] for e in trace(tmp_path, 'start')][2:] == [2]
    sweep.print_table(runs)
    # Mean and standard deviation of 10 and 20.
    assert '| fake | 15.00 ± 7.07 | 50.00 ± 0.00 | 23.08 |' in \
        capsys.readouterr().out


class Sent:
    """A job of submitit that has ended."""

    def __init__(self, error=None, code=None):
        self.done, self.exception = lambda: True, lambda: error
        self.result = lambda: code


@pytest.mark.parametrize(('sent', 'told'), [
    (Sent(code=0), 'failed, exit code 0'),  # without a result
    (Sent(error=RuntimeError('cancelled')), 'failed, cancelled')])
def test_no_result_is_a_failure(tmp_path, sent, told):
    run, = make_runs(tmp_path, 1)
    plan = Schedule([run], lambda *_: sent, [None], poll=0)
    plan.run()
    assert plan.ends == {run: told}


@pytest.mark.slow
def test_the_command_killed_and_restarted(tmp_path, monkeypatch):
    """Real trainings: the table is that of an uninterrupted sweep."""
    def arguments(root):
        return ['--configs', DEPT, '--seeds', '1', '--shots', '1', '--root',
                str(tmp_path / root), '--gpus', '--jobs', '1', '--set',
                'train_cfg.max_epochs,train_cfg.val_interval=2',
                '--cfg-options', f'val_dataloader.dataset.indices={SOME}',
                'train_dataloader.num_workers=0',
                'val_dataloader.num_workers=0']
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    cut = start(run_script, ROOT / 'tools/sweep.py', arguments('cut'),
                tmp_path / 'cut.log')
    wait_for(lambda: not cut.is_alive() or any(
        tmp_path.glob('cut/*seed1*/last_checkpoint')), 300)
    os.killpg(cut.pid, signal.SIGKILL)
    cut.join()
    assert not any(tmp_path.glob('cut/*seed1*/*.json'))
    ends = [run_tool('sweep.py', *arguments(root))
            for root in ('cut', 'whole')]
    assert [end.returncode for end in ends] == [0, 0], ends
    tables = [end.stdout.partition('\n|')[2] for end in ends]
    assert tables[0] == tables[1]
    assert '| - |' not in tables[0]  # both halves were measured
    log, = (tmp_path / 'cut').glob('*seed1*/sweep.log')
    assert 'Goes on after epoch ' in log.read_text()
