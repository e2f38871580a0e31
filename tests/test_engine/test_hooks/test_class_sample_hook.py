"""Training steps on a sample of the classes."""
import pytest
from mmengine.runner import Runner

from dept_mm.engine.hooks import ClassSampleHook
from dept_mm.errors import DeptError


def test_a_run_samples_and_stops(small_run, monkeypatch):
    """Each step encodes the classes of its batch among fewer than all; a
    test during training encodes all."""
    seen, counts = [], []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs=None):
        sample = runner.model.backbone.texts.sample
        labels = {int(s.gt_label) for s in data_batch['data_samples']}
        assert set(sample.targets.tolist()) == labels
        seen.append(labels)

    monkeypatch.setattr(ClassSampleHook, 'after_train_iter', after_train_iter)
    cfg = small_run('coop/quickstart.py')
    cfg.custom_hooks.append(dict(type='ClassSampleHook', share=.25))
    runner = Runner.from_cfg(cfg)
    texts = runner.model.backbone.texts

    def choose(training, image=None):
        chosen = type(texts).choose(texts, training, image)
        counts.append((training, len(chosen)))
        return chosen

    monkeypatch.setattr(texts, 'choose', choose)
    runner.train()
    assert len(seen) == 4 and texts.sample is None
    trained = {count for training, count in counts if training}
    assert max(trained) < 16 and min(trained) >= 4
    assert {count for training, count in counts if not training} == {32}


def test_what_cannot_be_sampled(small_run):
    cfg = small_run('linear_probe/linear-probe_vit-base-p16_16shot_'
                    'caltech101-b2n.py', dict(dataset='shapes'))
    cfg.custom_hooks = [dict(type='ClassSampleHook')]
    with pytest.raises(DeptError, match='encodes none'):
        Runner.from_cfg(cfg).call_hook('before_train')
    with pytest.raises(DeptError, match='share=2'):
        ClassSampleHook(share=2)
