"""One of two processes of test_matrix.py: a step of every pair under DDP.

    python matrix_worker.py CONFIGS OUT

reads configs of models as JSON and writes their parameters after a step of
this process on its half of a batch, and of the first process alone on all.
"""
import json
import sys

import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample
from torch import distributed as dist
from torch import nn

import dept_mm  # noqa: F401  registers everything
from dept_mm.registry import MODELS

LABELS = (2, 0, 1, 2)


def build(config: dict) -> nn.Module:
    """Build a model with equal parameters in every process."""
    torch.manual_seed(0)
    return MODELS.build(config).train()


def step(model: nn.Module, rows: slice) -> dict:
    """Train on these rows of the batch; return what is learned."""
    images = torch.randn(4, 3, 32, 32, generator=torch.manual_seed(1))
    samples = [DataSample().set_gt_label(y) for y in LABELS[rows]]
    optim = build_optim_wrapper(model, dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=.1)))
    model.train_step(dict(inputs=images[rows], data_samples=samples), optim)
    return {n.removeprefix('module.'): p.detach().clone()
            for n, p in model.named_parameters()}


def main(configs: str, out: str) -> None:
    dist.init_process_group('gloo')
    init_default_scope('mmpretrain')
    rank = dist.get_rank()
    found = {}
    for name, config in json.loads(open(configs).read()).items():
        wrapped = MMDistributedDataParallel(build(config),
                                            broadcast_buffers=False)
        # As ShareClassesHook does in a training.
        wrapped.module.backbone.share_classes = True
        found[name] = [step(wrapped, slice(2 * rank, 2 * rank + 2))]
        if rank == 0:
            found[name].append(step(build(config), slice(4)))
    torch.save(found, f'{out}.{rank}')
    dist.destroy_process_group()


if __name__ == '__main__':
    main(*sys.argv[1:])
