"""The benchmark of Skip Tuning runs, and less is computed in each row."""
import re

from run_tool import run_tool


def test_rows():
    run = run_tool('benchmarks/skip_tuning.py', '--quick', '--clip',
                   'builtin:demo_clip', '--cpu-time')
    assert run.returncode == 0, run.stderr
    rows = run.stdout.splitlines()[-3:]
    kept = [float(re.findall(r'[\d.]+', row)[3]) for row in rows]
    assert kept[0] > kept[1] > kept[2] > 0
