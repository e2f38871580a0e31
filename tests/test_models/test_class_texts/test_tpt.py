"""Prompts that are tuned on one test image at a time."""
import copy

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result
from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.structures import AugmentedViews

COOP = dict(type='CoOpPrompt', words='a photo of a')


@pytest.fixture
def views(images):
    return AugmentedViews(images, torch.randn(4, 5, 3, 32, 32))


def logits_of(backbone, views):
    with torch.no_grad():
        return CLIPHead()(backbone.eval()(views))


@pytest.mark.parametrize('learner', [
    COOP, dict(type='CoOpPrompt', position='middle', num_tokens=2),
    dict(type='IVLPPrompt', num_image_tokens=0, text_depth=2),
    dict(type='TowerPrompts', text=[dict(type='DecomposedPrompt', rank=2)])])
def test_all_text_learners(clip, vocabulary, views, learner):
    """An entropy that falls; the same numbers one by one and together, in
    inference mode and out of it; the prompts stay."""
    torch.manual_seed(0)
    backbone = PromptedCLIP(clip, vocabulary, learner, tpt=dict(lr=1e-3))
    before = copy.deepcopy(backbone.state_dict())
    found = logits_of(backbone, views)
    alone = torch.cat([
        logits_of(backbone, AugmentedViews(*(t[[i]] for t in views)))
        for i in (3, 2, 1, 0)]).flip(0)
    torch.testing.assert_close(alone, found)
    with torch.inference_mode():
        assert torch.equal(logits_of(backbone, views), found)
    after = backbone.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    assert all(p.grad is None for p in backbone.parameters())
    # With all views, the entropy of their mean is what falls.
    backbone.tpt.confident = 1.
    tuned = backbone(views).text
    plain = PromptedCLIP(clip, vocabulary, learner).eval()
    plain.load_state_dict(before)
    every = torch.cat([views.image[:, None], views.augmented], 1)
    for text, image in zip(tuned, every, strict=True):
        feats = backbone.clip.encode_image(image)
        entropy = [backbone.tpt.loss(t, feats, backbone.clip.logit_scale)
                   for t in (text, plain(views.image).text)]
        assert entropy[0] < entropy[1]


def test_training_does_not_tune(clip, vocabulary, views):
    plain, tuned = (PromptedCLIP(clip, vocabulary, COOP, tpt=tpt).train()
                    for tpt in (None, dict()))
    assert torch.equal(tuned(views.image).text, plain(views).text)
    assert torch.equal(plain.eval()(views).text,
                       plain(views.image).text)


@pytest.mark.parametrize('options, message', [
    (dict(), 'tunes a prompt'),
    (dict(prompt=dict(type='CoCoOpPrompt')), 'CoCoOpPrompt looks at images'),
    (dict(prompt=dict(type='MaPLePrompt', depth=2)), 'MaPLePrompt looks at'),
    (dict(prompt=COOP, tpt=dict(confident=0.)), r'confident in \(0, 1\]')])
def test_wrong_options(clip, vocabulary, options, message):
    with pytest.raises(DeptError, match=message):
        PromptedCLIP(clip, vocabulary, **dict(tpt=dict()) | options)


def test_views_are_needed(clip, vocabulary, images):
    backbone = PromptedCLIP(clip, vocabulary, COOP, tpt=dict()).eval()
    with pytest.raises(DeptError, match="type='AugmentViews'.*type='PackV"):
        backbone(images)


@pytest.fixture
def tested(small_run, tmp_path):
    """A function that tests the leaf on drawings: logits by image, and the
    result."""
    def make(labels=0, **options):
        cfg = small_run('tpt/tpt_vit-base-p16_caltech101-b2n.py', dict(
            clip='demo', dataset='shapes'), **{
                'test_dataloader.dataset.indices': 12,
                'test_dataloader.dataset.pipeline.1.num_views': 7,
                'model.backbone.tpt.confident': .5, **options})
        cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = None
        cfg.param_scheduler = None
        cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
        runner = Runner.from_cfg(cfg)
        runner._test_loop = loop = runner.build_test_loop(cfg.test_cfg)
        data = loop.dataloader.dataset
        read, count = type(data).get_data_info, len(data.metainfo['classes'])
        data.get_data_info = lambda i: dict(
            info := read(data, i),
            gt_label=(info['gt_label'] + labels) % count)
        found, predict = {}, runner.model.head._get_predictions

        def note(logits, samples):
            found.update((s.sample_idx, x.numpy())
                         for s, x in zip(samples, logits, strict=True))
            return predict(logits, samples)

        runner.model.head._get_predictions = note
        runner.test()
        return np.stack([found[i] for i in sorted(found)]), read_result(
            next(tmp_path.rglob('result.json')))

    return make


def test_a_test_sees_no_labels(tested):
    (first, result), (other, _) = tested(), tested(labels=1)
    assert np.array_equal(first, other)
    assert len(first) == 12
    half = result['results']['tested']['shapes']['base']
    assert half['total'] == 12
    assert 0 < half['ece'] < 1


def test_order_and_batches_change_nothing(tested):
    first, _ = tested()
    found, _ = tested(**{'test_dataloader.batch_size': 5,
                         'test_dataloader.sampler.shuffle': True})
    np.testing.assert_allclose(found, first, rtol=1e-4, atol=1e-4)
    seed, _ = tested(**{'randomness.seed': 2})
    assert not np.allclose(seed, first, atol=1e-2)
