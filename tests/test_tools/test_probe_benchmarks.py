"""The tools that measure probes run, and count what is there."""
import numpy as np
import pytest
from run_tool import run_tool


def cells(line):
    return [float(cell) for cell in line.split('|')[2:8]]


def test_times():
    run = run_tool('benchmarks/probes.py', '--quick', '--cpu-time',
                   '--probes', 'GDAProbe')
    assert run.returncode == 0, run.stderr
    head, row = run.stdout.splitlines()
    name, fit, plain, faster, predicting = row.split()
    assert name == 'GDAProbe' and float(predicting) > 0
    assert float(faster) == pytest.approx(float(plain) / float(fit), rel=.2,
                                          abs=.1)


def test_accuracies(tmp_path):
    """Classes that images tell apart, and texts do not."""
    random = np.random.RandomState(0)
    label = np.repeat(np.arange(8), 24)
    centre = random.randn(8, 512)
    image = centre[label] + random.randn(len(label), 512)
    np.savez(tmp_path / 'f.npz', image=image, label=label,
             text=random.randn(8, 512))
    run = run_tool('benchmarks/probe_accuracy.py', tmp_path / 'f.npz',
                   '--draws', 1, '--probes', 'GDAProbe')
    assert run.returncode == 0, run.stderr
    _, _, zero_shot, gda = run.stdout.splitlines()
    assert cells(gda)[0] == 100 > cells(zero_shot)[0]
    old, new, h, *_ = cells(zero_shot)
    if old and new:
        assert h == pytest.approx(2 * old * new / (old + new), abs=.1)
    assert cells(zero_shot)[3] > old
