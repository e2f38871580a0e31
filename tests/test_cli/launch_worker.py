"""One process of test_launch.py: trains and tests toy models, prints JSON."""
import json
import sys

import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import distributed as dist
from torch import nn
from torch.utils.data import Subset

from dept_mm.cli.launch import init_launcher

INPUTS = torch.arange(1., 7.).reshape(6, 1)  # 6 samples of 1 feature


class Trained(BaseModel):

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor'):
        return dict(loss=(self.weight * inputs).mean())

    def train_step(self, data, optim_wrapper):
        raise AssertionError('the wrapper must run the step')


class Frozen(BaseModel):
    """Like zero-shot CLIP: DDP refuses it."""

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor'):
        return list(inputs)

    def test_step(self, data):
        return self.forward(data)


class Sum(BaseMetric):

    def process(self, data_batch, data_samples):
        self.results.extend(float(sample) for sample in data_samples)

    def compute_metrics(self, results):
        return dict(sum=sum(results))


def loader(count: int, **kwargs) -> dict:
    """Describe a loader of the first samples, three to a batch."""
    return dict(
        dataset=Subset(INPUTS, range(count)),
        sampler=dict(type='DefaultSampler', shuffle=False),
        batch_size=3,
        **kwargs)


def collate(batch: list) -> dict:
    return dict(inputs=torch.stack(batch))


def train(launcher: str, **common) -> dict:
    cfg = Config(dict(env_cfg=dict(dist_cfg=dict(timeout=60))))
    init_launcher(cfg, launcher)
    runner = Runner(
        model=Trained(),
        train_dataloader=loader(6, collate_fn=collate),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        experiment_name='train', cfg=cfg, launcher=launcher, **common)
    runner.train()
    return dict(
        group=(dist.get_backend(), dist.get_world_size()),
        rank=dist.get_rank(),
        wrapper=type(runner.model).__name__,
        weight=runner.model.module.weight.item())


def test(launcher: str, **common) -> dict:
    cfg = Config(dict())
    init_launcher(cfg, launcher, training=False)
    runner = Runner(
        model=Frozen(),
        test_dataloader=loader(5, collate_fn=dict(type='default_collate')),
        test_cfg=dict(),
        test_evaluator=[Sum()],
        experiment_name='test', cfg=cfg, launcher=launcher, **common)
    return dict(
        metrics=runner.test(), test_wrapper=type(runner.model).__name__)


def main(launcher: str, work_dir: str) -> None:
    common = dict(
        work_dir=work_dir,
        randomness=dict(seed=0),
        default_scope='mmengine')
    result = train(launcher, **common) | test(launcher, **common)
    print('RESULT ' + json.dumps(result))


if __name__ == '__main__':
    main(*sys.argv[1:])
