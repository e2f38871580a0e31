"""Sweeps: each run once, whatever happens in between."""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sweep
from _sweep import job
from sweep_worker import make_runs, schedule

ROOT = Path(__file__).parents[2]

DEPT = str(ROOT / 'configs/dept/quickstart.py')
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


# -- what is finished -------------------------------------------------------

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
    assert [job.state(run) for run in runs] == ['finished', *['open'] * 4]
    assert schedule(runs, 1).ends == {runs[0]: 'finished'}


def test_a_dead_claim_is_none(tmp_path):
    """Left by a process that was killed, on another machine."""
    run, = make_runs(tmp_path, 1)
    run.work_dir.mkdir()
    (run.work_dir / job.JOURNAL).write_text(
        '{"event": "started", "host": "gone", "pid": 1}\n{"event": "fin')
    assert job.state(run) == 'open'
    schedule([run], 1).run()
    assert job.state(run) == 'finished' and len(trace(tmp_path, 'start')) == 1


# -- several at once --------------------------------------------------------

def test_two_sweeps_at_once(tmp_path):
    """Each run once, never two on one device, and all devices in use."""
    runs = make_runs(tmp_path, 6)
    plans = [schedule(order, 2) for order in (runs, runs[::-1])]
    threads = [threading.Thread(target=plan.run) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    for plan in plans:
        assert plan.ends == dict.fromkeys(runs, 'finished')
    starts, ends = trace(tmp_path, 'start'), trace(tmp_path, 'end')
    assert sorted(e['seed'] for e in starts) == [1, 2, 3, 4, 5, 6]
    assert {e['threads'] for e in starts} == {'1'}
    ended = {e['seed']: e['time'] for e in ends}
    spans = {device: sorted((e['time'], ended[e['seed']]) for e in starts
                            if e['device'] == device) for device in '01'}
    for times in spans.values():
        assert len(times) > 1
        assert all(a[1] <= b[0] for a, b in zip(times, times[1:],
                                                strict=False))
    assert any(a[0] < b[1] and b[0] < a[1]
               for a in spans['0'] for b in spans['1'])


@pytest.fixture
def worker(tmp_path):
    """A sweep of four runs on one device, stopped in the middle of one."""
    root = tmp_path / 'root'
    root.mkdir()
    (root / 'hold').touch()
    process = subprocess.Popen(
        [sys.executable, WORKER, str(root), '4', '1'],
        start_new_session=True)
    wait_for(lambda: any(e['seed'] == 2 for e in trace(root, 'epoch')))
    assert len(results(root)) == 1
    yield process
    process.wait(20)


def finish(tmp_path):
    """Go on to the end, with all results.

    Returns:
        dict: Seed -> epochs that were done at each start of the run.
    """
    (tmp_path / 'root/hold').unlink()
    runs = make_runs(tmp_path / 'root', 4)
    plan = schedule(runs, 1)
    plan.run()
    assert plan.ends == dict.fromkeys(runs, 'finished')
    assert results(tmp_path / 'root') == {
        f'fake-{i}': i for i in range(1, 5)}
    starts = {}
    for entry in trace(tmp_path / 'root', 'start'):
        starts.setdefault(entry['seed'], []).append(entry['done'])
    return starts


def test_all_killed_half_way(worker, tmp_path):
    """As by a power cut; the run that was cut goes on, not anew."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert finish(tmp_path) == {1: [0], 2: [0, 1], 3: [0], 4: [0]}


@pytest.mark.parametrize('group', [True, False])
def test_ctrl_c(worker, tmp_path, group):
    """From a terminal, which tells all processes, or by kill -INT."""
    run = make_runs(tmp_path / 'root', 4)[1]
    (os.killpg if group else os.kill)(worker.pid, signal.SIGINT)
    assert worker.wait(20) != 0
    assert job.state(run) == 'open'
    assert finish(tmp_path) == {1: [0], 2: [0, 1], 3: [0], 4: [0]}


def test_only_the_sweep_killed(worker, tmp_path):
    """Its job goes on; the next sweep waits for it."""
    worker.kill()
    worker.wait()
    assert job.state(make_runs(tmp_path / 'root', 4)[1]) == 'running'
    assert finish(tmp_path) == {i: [0] for i in range(1, 5)}


def test_a_checkpoint_that_is_gone(tmp_path):
    """MMEngine removes the old one before it writes the next."""
    run, = make_runs(tmp_path, 1)
    run.work_dir.mkdir()
    (run.work_dir / 'last_checkpoint').write_text(str(tmp_path / 'gone.pth'))
    schedule([run], 1).run()
    assert trace(tmp_path, 'start')[0]['done'] == 0


# -- failures ---------------------------------------------------------------

def test_failures_are_told_and_retried_on_request(tmp_path, capsys):
    runs = [make_runs(tmp_path, 1)[0],
            *make_runs(tmp_path, 2, '--fail')[1:]]
    for _ in range(2):  # the second sweep does not try again
        plan = schedule(runs, 2)
        plan.run()
        assert plan.ends == {runs[0]: 'finished', runs[1]: 'failed'}
        assert len(trace(tmp_path, 'start')) == 2
    sweep.report(plan)
    sweep.print_table(runs)
    out = capsys.readouterr().out
    assert 'failed, exit code 1: fake, seed 2: ' in out
    assert '    loss is 2\n    error: out of luck\n' in out
    assert '| fake (1 of 2 seeds) | 10.00 | 50.00 | 16.67 |' in out
    (tmp_path / 'mended').touch()
    plan = schedule(runs, 2, retry=True)
    plan.run()
    assert set(plan.ends.values()) == {'finished'}
    assert [e['seed'] for e in trace(tmp_path, 'start')][2:] == [2]
    sweep.print_table(runs)
    # Mean and standard deviation of 10 and 20.
    assert '| fake | 15.00 ± 7.07 | 50.00 ± 0.00 | 23.08 |' in \
        capsys.readouterr().out


def test_two_sweeps_retry_once(tmp_path):
    """The second's job finds one failure more than when it was sent."""
    run, = make_runs(tmp_path, 1, '--fail')
    schedule([run], 1).run()
    plans = [schedule([run], 1, retry=True) for _ in range(2)]
    jobs = [plan.submit(run) for plan in plans]
    assert [j.result() for j in jobs] in (['done', 'done'], ['taken', 'done'],
                                          ['done', 'taken'])
    assert job.failures(run) == 2


def test_no_result_is_a_failure(tmp_path):
    run, = make_runs(tmp_path, 1)
    silent = tmp_path / 'silent.py'
    silent.write_text('')
    job.Job(run, str(silent))()
    assert job.state(run) == 'failed'
    assert job.journal(run)[-1]['exit_code'] == 0


@pytest.mark.slow
def test_the_command_killed_and_restarted(tmp_path):
    """Real trainings: the table is that of an uninterrupted sweep."""
    def command(root):
        return [sys.executable, str(ROOT / 'tools/sweep.py'), '--configs',
                DEPT, '--seeds', '1', '2', '--shots', '1', '--root',
                str(tmp_path / root), '--gpus', '--jobs', '1', '--set',
                'train_cfg.max_epochs,train_cfg.val_interval=6']
    env = dict(os.environ, TMPDIR=str(tmp_path))
    cut = subprocess.Popen(command('cut'), env=env, start_new_session=True,
                           stdout=subprocess.DEVNULL)
    wait_for(lambda: cut.poll() is not None or any(
        tmp_path.glob('cut/*seed2*/last_checkpoint')), 300)
    os.killpg(cut.pid, signal.SIGKILL)
    cut.wait()
    assert not any(tmp_path.glob('cut/*seed2*/*.json'))
    tables = [subprocess.run(command(root), env=env, check=True,
                             capture_output=True, text=True).stdout
              .partition('\n|')[2] for root in ('cut', 'whole')]
    assert tables[0] == tables[1]
    assert tables[0].count('±') == 2
    log, = (tmp_path / 'cut').glob('*seed2*/sweep.log')
    assert 'resumed epoch: ' in log.read_text()
