"""The tool that times TPT runs, and both ways give the same texts."""
import pytest
from run_tool import run_tool


def test_times():
    run = run_tool('benchmarks/tpt.py', '--quick', '--cpu-time', '--clip',
                   'builtin:demo_clip')
    assert run.returncode == 0, run.stderr
    _, plain, ours, views = run.stdout.splitlines()
    seconds = float(ours.split()[1])
    assert seconds > 0 and views.startswith('  2 views')
    assert float(ours.split()[2]) == pytest.approx(
        float(plain.split()[2]) / seconds, rel=.2)
