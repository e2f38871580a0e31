"""The tools that measure probes run, and count what is there."""
import numpy as np
import pytest
from run_tool import run_tool


def cells(line):
    return [float(cell) for cell in line.split('|')[2:12]]


def test_times():
    run = run_tool('benchmarks/probes.py', '--quick', '--cpu-time',
                   '--part', 10, '--probes', 'GDAProbe', 'APET')
    assert run.returncode == 0, run.stderr
    rate, _, head, _, gda, ape = run.stdout.splitlines()
    assert rate.startswith('1 threads') and '| faster |' in head
    name, fit, cpu, plain, faster, predicting = gda.split('|')[1:7]
    assert name == ' GDAProbe ' and float(predicting) > 0
    assert float(cpu) == pytest.approx(float(fit), rel=.1)
    assert float(faster) == pytest.approx(float(plain) / float(fit), rel=.1)
    assert ape.count('~') == 3


def test_accuracies(tmp_path):
    """Classes that images tell apart, and texts do not."""
    random = np.random.RandomState(0)
    label = np.repeat(np.arange(8), 24)
    centre = random.randn(8, 512)
    image = centre[label] + random.randn(len(label), 512)
    text = random.randn(8, 512)
    np.savez(tmp_path / 'f.npz', image=image, label=label, text=text)
    run = run_tool('benchmarks/probe_accuracy.py', tmp_path / 'f.npz',
                   '--draws', 1, '--probes', 'GDAProbe')
    assert run.returncode == 0, run.stderr
    _, _, zero_shot, gda = run.stdout.splitlines()
    assert cells(gda)[0] == 100 > cells(zero_shot)[0]
    old, new, h, _, error, dept, *_ = cells(zero_shot)
    if old and new:
        assert h == pytest.approx(2 * old * new / (old + new), abs=.1)
    assert dept > old
    assert error == pytest.approx(100 * zero_shot_error(
        image[label > 3], label[label > 3] - 4, text[4:]), abs=.06)


def zero_shot_error(image, label, text):
    """ECE of 15 bins, bin by bin."""
    image, text = (x / np.linalg.norm(x, axis=1, keepdims=True)
                   for x in (image, text))
    odds = np.exp(100 * image @ text.T)
    sure = (odds / odds.sum(1, keepdims=True)).max(1)
    right = odds.argmax(1) == label
    error = 0
    for i in range(15):
        own = (i / 15 < sure) & (sure <= (i + 1) / 15)
        error += abs((right[own] - sure[own]).sum())
    return error / len(label)
