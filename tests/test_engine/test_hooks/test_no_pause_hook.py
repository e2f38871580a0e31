"""Iteration-based trainings do not wait between passes over the data."""
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import IterBasedTrainLoop, Runner, loops
from torch.utils.data import BatchSampler

from dept_mm.engine.hooks import NoPauseHook, PlainCheckpointHook


class Seen(BaseModel):
    """Notes the samples of each step."""

    def __init__(self):
        super().__init__()
        self.weight, self.batches = torch.nn.Parameter(torch.ones(())), []

    def forward(self, inputs):
        """Is not called."""

    def train_step(self, data, optim_wrapper):
        self.batches.append(data.tolist())
        return dict(loss=self.weight.detach())


@pytest.fixture
def train(tmp_path, monkeypatch):
    """A function that trains and returns the batches of all steps."""
    pauses = []
    monkeypatch.setattr(loops.time, 'sleep', pauses.append)

    def train(name, hooks, folder='run', resume=False, steps=7, **loader):
        runner = Runner(
            Seen(), work_dir=str(tmp_path / folder), experiment_name=name,
            train_dataloader=dict(
                dataset=list(range(5)), batch_size=2,
                sampler=dict(type='DefaultSampler', shuffle=True),
                collate_fn=dict(type='default_collate'), **loader),
            train_cfg=dict(by_epoch=False, max_iters=steps),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=.1)),
            default_hooks=dict(checkpoint=dict(
                type='AtomicCheckpointHook', by_epoch=False, interval=4)),
            custom_hooks=[*hooks, PlainCheckpointHook()],
            randomness=dict(seed=1), resume=resume,
            default_scope='mmpretrain')
        assert isinstance(runner.train_loop, IterBasedTrainLoop)
        runner.train()
        runner.train_loop.dataloader_iterator = None  # so that workers end
        runner.train_dataloader._iterator = None
        return runner.model.batches, pauses

    return train


@pytest.mark.parametrize('loader', [
    dict(), dict(num_workers=1),
    dict(num_workers=1, persistent_workers=True),
    dict(batch_sampler=dict(type=BatchSampler, drop_last=False))],
    ids=['0', '1', 'persistent', 'batch_sampler'])
def test_the_batches_are_those_of_mmengine(train, loader):
    expected, pauses = train('plain', [], **loader)
    assert set(pauses) == {2} and len(pauses) == 2  # three passes
    pauses.clear()
    found, _ = train('quick', [NoPauseHook()], **loader)
    assert found == expected and not pauses
    passes = [sorted(sum(found[i:i + 3], [])) for i in (0, 3)]
    assert passes == [list(range(5))] * 2 and found[:3] != found[3:6]


def test_a_resumed_run_goes_on(train):
    expected, _ = train('whole', [NoPauseHook()], 'whole')
    train('first', [NoPauseHook()], steps=4)
    found, pauses = train('second', [NoPauseHook()], resume=True)
    assert found == expected[4:] and not pauses
