"""Runs that are small enough to be broken many times."""
import itertools
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

import dept_mm  # noqa: F401  registers everything

RUNTIME = Path(__file__).parents[2] / 'configs/_base_/default_runtime.py'
COUNT = itertools.count()


class Line(BaseModel):

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)
        nn.init.ones_(self.linear.weight)
        nn.init.ones_(self.linear.bias)

    def forward(self, inputs, mode='tensor'):
        return dict(loss=self.linear(inputs).square().mean())

    def train_step(self, data, optim_wrapper):
        losses, logs = self.parse_losses(self(data, mode='loss'))
        optim_wrapper.update_params(losses)
        return logs


@pytest.fixture
def toy(tmp_path):
    """A linear model with this package's default hooks: a function of hooks
    and options that gives a runner; two steps an epoch."""
    def make(*hooks, work_dir='run', epochs=4, seed=1, **options):
        runtime = Config.fromfile(RUNTIME)
        default = {k: v for k, v in runtime.default_hooks.items()
                   if k != 'visualization'}
        for name, change in options.pop('default_hooks', {}).items():
            default[name].update(change)
        # A message hub belongs to a name: each run must have its own.
        return Runner(
            model=Line(), work_dir=str(tmp_path / work_dir),
            experiment_name=f'toy{next(COUNT)}',
            train_dataloader=dict(
                dataset=torch.arange(8.).reshape(4, 2) / 8,
                sampler=dict(type='DefaultSampler', shuffle=True),
                collate_fn=dict(type='default_collate'),
                batch_size=2, num_workers=0),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=.05,
                                              momentum=.9)),
            param_scheduler=dict(type='MultiStepLR', milestones=[1, 3]),
            train_cfg=options.pop('train_cfg', None) or dict(
                by_epoch=True, max_epochs=epochs),
            default_hooks=default, custom_hooks=list(hooks),
            randomness=dict(seed=seed), default_scope='mmpretrain',
            log_level='WARNING', **options)

    return make
