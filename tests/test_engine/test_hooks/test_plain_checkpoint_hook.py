"""A run must resume from a checkpoint that a safe load accepts."""
import enum
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from dept_mm.engine.hooks.plain_checkpoint_hook import (
    PlainCheckpointHook,
    make_plain,
)


class ToyData(Dataset):
    """Eight points, with metainfo of kinds that a safe load refuses."""

    metainfo = dict(
        classes=('cat', 'dog'),
        weights=np.array([1., 2.]),
        extra=ConfigDict(count=np.int64(2)))

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((2, ), float(index))


class ToyModel(BaseModel):

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        nn.init.ones_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict:
        return dict(loss=self.linear(inputs).square().mean())

    def train_step(self, data, optim_wrapper) -> dict:
        losses, logs = self.parse_losses(self(data, mode='loss'))
        optim_wrapper.update_params(losses)
        return logs


def make_runner(work_dir: Path, **kwargs) -> Runner:
    # A message hub is a singleton per name: a second runner of that name
    # would keep the first one's scalars and hide a failed resume.
    return Runner(
        model=ToyModel(),
        work_dir=str(work_dir),
        experiment_name=work_dir.parent.name,
        train_dataloader=dict(
            dataset=ToyData(),
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
            batch_size=4),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
        param_scheduler=dict(type='MultiStepLR', milestones=[1, 3]),
        train_cfg=dict(by_epoch=True, max_epochs=4),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
        custom_hooks=[PlainCheckpointHook()],
        randomness=dict(seed=0),
        default_scope='mmengine',
        **kwargs)


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = make_runner(tmp_path_factory.mktemp('plain') / 'run')
    runner.message_hub.update_info('best_score', np.float64(0.5))
    runner.train()
    return runner


def test_checkpoint_loads_safely(trained: Runner):
    path = Path(trained.work_dir) / 'epoch_2.pth'
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint['meta']['epoch'] == 2
    assert checkpoint['meta']['dataset_meta'] == dict(
        classes=('cat', 'dog'), weights=[1., 2.], extra=dict(count=2))
    assert checkpoint['message_hub']['runtime_info']['best_score'] == 0.5


def test_run_resumes(trained: Runner, tmp_path: Path):
    """Epochs 3 and 4 after a resume are those of the run in one go."""
    resumed = make_runner(
        tmp_path / 'run',
        resume=True,
        load_from=str(Path(trained.work_dir) / 'epoch_2.pth'))
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (4, 8)
    scalars = resumed.message_hub.log_scalars
    assert scalars.keys() == trained.message_hub.log_scalars.keys()
    for name, buffer in trained.message_hub.log_scalars.items():
        same = 4 if 'time' in name else 8  # times are those of each run
        for new, old in zip(scalars[name].data, buffer.data, strict=True):
            assert len(new) == len(old) == 8
            np.testing.assert_array_equal(new[:same], old[:same])
    assert torch.equal(trained.model.linear.weight,
                       resumed.model.linear.weight)


def test_unhooked_checkpoint_is_left_alone():
    """A hub saved without the hook (it holds buffers) must still resume."""
    buffer = HistoryBuffer([1.], [1])
    checkpoint = dict(message_hub=dict(log_scalars=dict(loss=buffer)))
    PlainCheckpointHook().after_load_checkpoint(None, checkpoint)
    assert checkpoint['message_hub']['log_scalars']['loss'] is buffer
    weights_only = dict(state_dict=dict(a=1))
    PlainCheckpointHook().after_load_checkpoint(None, weights_only)
    assert weights_only == dict(state_dict=dict(a=1))


class Colour(str, enum.Enum):
    RED = 'red'


@pytest.mark.parametrize('value, expected', [
    (np.float32(0.5), 0.5),
    (np.bool_(True), True),
    (np.array(['a', 'b']), ['a', 'b']),
    (Path('a/b'), str(Path('a/b'))),
    (Colour.RED, 'red'),
    ({1, 2}, {1, 2}),
    (OrderedDict(a=(np.int64(1), [2])), OrderedDict(a=(1, [2]))),
    ({np.int64(3): None}, {3: None}),
    (Counter([1, 1, 3]), Counter([1, 1, 3])),  # MultiStepLR has one
])
def test_to_plain(value, expected):
    plain = make_plain(value)
    assert plain == expected
    assert type(plain) is type(expected)


def test_weights_are_not_touched():
    weights = OrderedDict(w=nn.Parameter(torch.ones(1)))
    checkpoint = dict(state_dict=weights, ema_state_dict=weights)
    PlainCheckpointHook().before_save_checkpoint(None, checkpoint)
    assert checkpoint['state_dict'] is weights
    assert checkpoint['ema_state_dict'] is weights


def test_unsafe_value_is_dropped_and_named(monkeypatch):
    messages = []
    monkeypatch.setattr(
        'dept_mm.engine.hooks.plain_checkpoint_hook.print_log',
        lambda message, **kwargs: messages.append(message))
    checkpoint = dict(meta=dict(seed=1, odd=[object()]))
    PlainCheckpointHook().before_save_checkpoint(None, checkpoint)
    assert checkpoint == dict(meta=dict(seed=1, odd=[None]))
    assert 'meta.odd[0] (object)' in messages[0]
