"""Runs with a feature store, to compare with runs without it."""
import pytest
import torch
from mmengine.runner import Runner

EPOCHS = 3


def train(cfg):
    """Run; return losses, metrics and what was learned."""
    runner = Runner.from_cfg(cfg)
    runner.train()
    hub = runner.message_hub.log_scalars
    losses = hub['train/loss'].data[0].tolist()
    metrics = {k: v.data[0].tolist() for k, v in hub.items()
               if k.startswith('val/base_new')}
    return losses, metrics, dict(runner.model.named_parameters())


def assert_equal(found, expected):
    assert len(found[0]) == EPOCHS * 4
    assert found[0] == pytest.approx(expected[0], rel=1e-4)
    assert found[1] == expected[1]
    for name, value in expected[2].items():
        torch.testing.assert_close(found[2][name], value, rtol=1e-3,
                                   atol=1e-5)
