"""Arithmetic and kept memory, against numbers worked out by hand."""
import pytest
import torch
from torch._subclasses import FakeTensorMode

from dept_mm.reports.counting import count


def check_by_hand(device):
    """(4, 3) @ (3, 5): 120 operations, 120 more backward for the input;
    exp keeps its output of 80 bytes, and a view of it costs nothing."""
    x = torch.ones(4, 3, requires_grad=True, device=device)
    weight = torch.ones(3, 5, device=device)

    def forward():
        y = (x @ weight).exp()
        return (y.T * y.reshape(5, 4)).sum()

    def both():
        forward().backward()

    assert count(forward, [weight])[0] == (120, 120, 80)
    assert count(forward)[0] == (120, 120, 80 + 60)
    assert count(both, [weight])[0] == (240, 0, 80)


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_by_hand(device):
    check_by_hand(device)


def test_on_fake_tensors():
    with FakeTensorMode():
        check_by_hand('cpu')
