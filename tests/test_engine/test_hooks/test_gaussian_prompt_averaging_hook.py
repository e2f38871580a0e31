"""PromptSRC's average over epochs."""
import re

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dept_mm.engine.hooks import GaussianPromptAveragingHook
from dept_mm.engine.hooks.gaussian_prompt_averaging_hook import (
    KEY,
    compute_epoch_weights,
)
from dept_mm.errors import DeptError

GPA = dict(type='GaussianPromptAveragingHook', mean=2, std=1)
# exp(-1/2), 1, exp(-1/2), over their sum.
WEIGHTS = .27407, .45186, .27407


class Record(Hook):
    """What the model holds when an epoch ends, and when it is validated."""
    priority = 'VERY_HIGH'

    def __init__(self):
        self.ends, self.validated = [], None

    def _values(self, runner):
        return {n: p.detach().clone()
                for n, p in runner.model.named_parameters()}

    def after_train_epoch(self, runner):
        self.ends.append(self._values(runner))

    def before_val_epoch(self, runner):
        self.validated = self._values(runner)


@pytest.fixture
def run(small_run, tmp_path):
    """Train for three epochs; return runner and record."""
    def train(work_dir='first', hook=GPA, **options):
        cfg = small_run(**{'train_cfg.max_epochs': 3,
                           'train_cfg.val_interval': 3, **options})
        cfg.default_hooks.checkpoint.max_keep_ckpts = -1
        cfg.work_dir = str(tmp_path / work_dir)
        cfg.custom_hooks = [hook]
        runner, record = Runner.from_cfg(cfg), Record()
        runner.register_hook(record)
        runner.train()
        return runner, record

    return train


def state(path):
    return torch.load(path, weights_only=True)


def test_weights_of_promptsrc():
    """mean 15, std 1, 20 epochs: epochs 13 to 17 carry the average."""
    weights = compute_epoch_weights(15, 1, 20)
    assert weights.sum().item() == pytest.approx(1)
    assert weights[12:17].tolist() == pytest.approx(
        [.054, .242, .399, .242, .054], abs=5e-4)
    assert weights[:11].max() < 2e-4


def test_mean_is_validated_saved_and_survives_resuming(run, tmp_path):
    runner, record = run()
    last = state(tmp_path / 'first/epoch_3.pth')
    for name, value in runner.model.named_parameters():
        mean = sum(w * end[name] for w, end in zip(WEIGHTS, record.ends,
                                                   strict=True))
        torch.testing.assert_close(value.detach(), mean, rtol=1e-4,
                                   atol=1e-6)
        assert torch.equal(record.validated[name], value)
        assert torch.equal(last['state_dict'][name], value)
        assert not torch.equal(record.ends[-1][name], value)
    middle = state(tmp_path / 'first/epoch_2.pth')
    assert middle[KEY]['sums'].keys() == record.ends[0].keys()
    again, _ = run('again', resume=True,
                   load_from=str(tmp_path / 'first/epoch_2.pth'))
    for name, value in again.model.named_parameters():
        torch.testing.assert_close(value, last['state_dict'][name])


def test_prompts_alone(run):
    runner, record = run(hook=dict(GPA, prefix='backbone'))
    for name, value in runner.model.named_parameters():
        kept = torch.equal(value, record.ends[-1][name])
        assert kept == name.startswith('head')


def test_half_precision_is_summed_in_fp32():
    """A hundred epochs of one value: fp16 would lose part of each."""
    model = torch.nn.Linear(1, 1, bias=False).half()
    model.weight.data.fill_(.1)
    start = model.weight.item()

    class Runner:
        epoch = 0
        logger = type('Log', (), dict(info=print))

    Runner.model = model
    hook = GaussianPromptAveragingHook(50, 1000)
    hook._weights = compute_epoch_weights(50, 1000, 100)
    for Runner.epoch in range(100):
        hook.after_train_epoch(Runner)
        assert hook._sums['weight'].dtype == torch.float32
    assert model.weight.item() == start


@pytest.mark.parametrize('change, culprit', [
    (dict(mean=15), 'mean is 15, but training has 3 epochs'),
    (dict(std=0), 'std is 0'),
    (dict(prefix='neck'), "prefix='neck'"),
])
def test_bad_options(run, change, culprit):
    with pytest.raises(DeptError, match=re.escape(culprit)):
        run(hook=GPA | change)


def test_other_loops_and_averages_are_refused(run):
    with pytest.raises(DeptError, match='by_epoch=True'):
        run(train_cfg=dict(_delete_=True, by_epoch=False, max_iters=1))
    with pytest.raises(DeptError, match='EMAHook'):
        run(**{'default_hooks.ema': dict(type='EMAHook')})


@pytest.mark.parametrize('hook, culprit', [
    (dict(GPA, std=2), 'averaged with'), (None, "has no '" + KEY)])
def test_resuming_needs_the_same_average(run, tmp_path, hook, culprit):
    run(hook=hook or GPA, **{'train_cfg.max_epochs': 2})
    path = tmp_path / 'first/epoch_1.pth'
    if hook is None:
        found = torch.load(path, weights_only=True)
        del found[KEY]
        torch.save(found, path)
    with pytest.raises(DeptError, match=culprit):
        run('again', resume=True, load_from=str(path))
