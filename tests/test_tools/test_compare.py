"""The table over configs and seeds."""
import sys
from pathlib import Path

import compare
import pytest
from _sweep.grid import expand, make_runs

from dept_mm.evaluation import write_result

ROOT = Path(__file__).parents[2]
COOP, DEPT, PROBE = (str(ROOT / f'configs/{n}/quickstart.py')
                     for n in ('coop', 'dept', 'tip_adapter'))


@pytest.fixture
def table(monkeypatch, tmp_path, capsys):
    """A function that gives the table over finished runs."""
    def make(measured):
        configs = list(dict.fromkeys(config for config, _ in measured))
        for (config, seed), rows in measured.items():
            points = expand([config], [], [], [], [seed], [])
            run, = make_runs(points, tmp_path, [])
            run.work_dir.mkdir()
            write_result(run.work_dir, dict(
                fingerprint=run.fingerprint, results={
                    name: dict(shapes=row if 'metrics' in row else {
                        half: dict(correct=correct, total=100)
                        for half, correct in row.items()})
                    for name, row in rows.items()}))
        seeds = sorted({str(seed) for _, seed in measured})
        monkeypatch.setattr(sys, 'argv', [
            'compare.py', *configs, '--seeds', *seeds, '--work-dir',
            str(tmp_path)])
        compare.main()
        return capsys.readouterr().out.strip().splitlines()

    return make


def test_table_of_finished_runs(table):
    """Runs that are there are read, not repeated."""
    numbers = {(COOP, 1): (80, 50), (COOP, 2): (84, 60),
               (DEPT, 1): (90, 50), (DEPT, 2): (90, 70)}
    assert table({key: {'zero-shot': dict(base=60, new=40),
                        'tuned': dict(base=base, new=new)}
                  for key, (base, new) in numbers.items()}) == [
        '| seeds [1, 2] | base | new | H |',
        '|---|---|---|---|',
        '| zero-shot | 60.00 ± 0.00 | 40.00 ± 0.00 | 48.00 |',
        # H of the means 82 and 55, not the mean of 61.54 and 70.
        f'| {COOP} | 82.00 ± 2.83 | 55.00 ± 7.07 | 65.84 |',
        f'| {DEPT} | 90.00 ± 0.00 | 60.00 ± 14.14 | 72.00 |']


def test_a_half_that_was_not_measured(table):
    assert table({(PROBE, 1): dict(tuned=dict(base=87))})[2:] == [
        f'| {PROBE} | 87.00 | - | - |']


def test_metrics_of_a_task(table):
    rows = {(PROBE, seed): dict(tuned=dict(metrics=dict(matthews=m, f1=90)))
            for seed, m in ((1, 50), (2, 60))}
    assert table(rows) == [
        '| seeds [1, 2] | matthews | f1 |', '|---|---|---|',
        f'| {PROBE} | 55.00 ± 7.07 | 90.00 ± 0.00 |']


def test_a_run_without_a_result_is_told(monkeypatch, tmp_path):
    (tmp_path / 'train.py').write_text('raise SystemExit(3)')
    monkeypatch.setattr(compare, 'TRAIN', tmp_path / 'train.py')
    monkeypatch.setattr(sys, 'argv', [
        'compare.py', COOP, '--seeds', '1', '--work-dir', str(tmp_path)])
    with pytest.raises(SystemExit, match='exit code 3; see .*sweep.log'):
        compare.main()
