"""The table over configs and seeds."""
import subprocess
import sys
from pathlib import Path

from dept_mm.evaluation import write_result

ROOT = Path(__file__).parents[2]


def test_table_of_finished_runs(tmp_path):
    """Runs that are there are read, not repeated."""
    measured = {('coop', 1): (80, 50), ('coop', 2): (84, 60),
                ('dept', 1): (90, 50), ('dept', 2): (90, 70)}
    for (method, seed), (base, new) in measured.items():
        folder = tmp_path / f'{method}-quickstart-seed{seed}'
        folder.mkdir()
        rows = {'zero-shot': dict(base=60, new=40),
                'tuned': dict(base=base, new=new)}
        write_result(folder, dict(results={
            name: dict(shapes={half: dict(correct=correct, total=100)
                               for half, correct in row.items()})
            for name, row in rows.items()}))
    out = subprocess.run(
        [sys.executable, ROOT / 'tools/compare.py',
         'configs/coop/quickstart.py', 'configs/dept/quickstart.py',
         '--seeds', '1', '2', '--work-dir', tmp_path],
        check=True, capture_output=True, text=True).stdout
    assert out.strip().splitlines()[2:] == [
        '| zero-shot | 60.00 ± 0.00 | 40.00 ± 0.00 | 48.00 |',
        # H of the means 82 and 55, not the mean of 61.54 and 70.
        '| configs/coop/quickstart.py | 82.00 ± 2.83 | 55.00 ± 7.07 '
        '| 65.84 |',
        '| configs/dept/quickstart.py | 90.00 ± 0.00 | 60.00 ± 14.14 '
        '| 72.00 |']


def test_a_half_that_was_not_measured(tmp_path):
    config = ('configs/linear_probe/linear-probe_vit-base-p16_16shot_'
              'caltech101-b2n.py')
    folder = (tmp_path / 'shapes' / 'few_shot_16shot' /
              f'linear_probe-{Path(config).stem}-seed1')
    folder.mkdir(parents=True)
    write_result(folder, dict(results=dict(tuned=dict(shapes=dict(
        base=dict(correct=7, total=8))))))
    out = subprocess.run(
        [sys.executable, ROOT / 'tools/compare.py',
         config, '--seeds', '1', '--dataset', 'shapes', '--protocol',
         'few_shot_16shot', '--work-dir', tmp_path],
        check=True, capture_output=True, text=True).stdout
    assert out.strip().splitlines()[2:] == [
        f'| {config} | 87.50 | - | - |']
