"""A rehearsal of a run ends after a few batches of everything."""
from collections import Counter

import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.config import select_epoch
from dept_mm.engine.hooks import DryRunHook


class Counting(Hook):

    def __init__(self):
        self.seen = Counter()

    def _count(phase):
        def count(self, *args, **kwargs):
            self.seen[phase] += 1
        return count

    after_train_iter, after_val_iter, after_test_iter = map(
        _count, ('train', 'val', 'test'))


@pytest.mark.parametrize('batch, steps', [(4, 4), (16, 1)])
def test_few_batches(small_run, batch, steps):
    """Also where an epoch is shorter than a dry run."""
    cfg = small_run(**{
        'train_dataloader.batch_size': batch, 'train_cfg.max_epochs': 5,
        'val_dataloader.batch_size': 2,
        'test_dataloader.batch_size': 2, 'val_dataloader.dataset.indices': 8,
        'test_dataloader.dataset.indices': 10})
    select_epoch(cfg)
    runner, counting, dry = Runner.from_cfg(cfg), Counting(), DryRunHook()
    runner.register_hook(dry)
    runner.register_hook(counting)
    runner.train()
    assert counting.seen == dict(train=min(3, steps), val=2, test=2)
    assert dry.steps == 5 * steps
    assert dry.batches == {'validation': 5 * 4, 'the test': 5,
                           'zero-shot CLIP': 5}
    assert dry.pace.step > 0 and dry.pace.batch > 0
