"""Every host with every head: what each pair of them must be able to do.

The pairs are those of small_models.py; a new learner is one of them by itself.
"""
import json
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from processes import run_two

from dept_mm.models.clip.frozen_clip import weights_digest
from dept_mm.models.utils.similarity import similarity
from dept_mm.registry import MODELS
from dept_mm.structures import Vocabulary

WORKER = Path(__file__).with_name('matrix_worker.py')


@pytest.fixture
def model(pair):
    return MODELS.build(pair)


@pytest.fixture
def batch(images, samples):
    return dict(inputs=images, data_samples=samples)


def learns(model):
    """Zero-shot CLIP does not."""
    return any(p.requires_grad for p in model.parameters())


def shake(model):
    """Something other than the start, where transforms are identities."""
    with torch.no_grad():
        for p in model.parameters():
            p.add_(.1 * torch.randn_like(p))


@torch.no_grad()
def logits(model, images):
    return model.eval()(images)


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'BF16OptimWrapper'])
def test_a_step_changes_what_is_learned(model, batch, wrapper):
    if not learns(model):
        pytest.skip('nothing to learn')
    shake(model)
    clip = model.backbone.clip.model
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    frozen = weights_digest(clip)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        optim = build_optim_wrapper(model, dict(
            type=wrapper, optimizer=dict(type='SGD', lr=.1)))
    losses = model.train().train_step(batch, optim)
    assert all(value.isfinite().all() for value in losses.values())
    for name, p in model.named_parameters():
        assert p.requires_grad and p.dtype == torch.float32, name
        assert p.isfinite().all() and not torch.equal(p, before[name]), name
    assert weights_digest(clip) == frozen
    assert not any(p.requires_grad for p in clip.parameters())


def test_state_dict_round_trip(model, pair, images):
    shake(model)
    other = MODELS.build(pair)
    same = torch.equal(logits(other, images), logits(model, images))
    assert same == (not learns(model))
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(logits(other, images), logits(model, images),
                               rtol=0, atol=0)


def test_unseen_classes(model, images):
    """Similarity answers for classes that no head has a row for."""
    shake(model)
    unseen = Vocabulary(('tin can', 'ox', 'a rather long name', 'jar'))
    model.eval().backbone.set_vocabulary(unseen)
    samples = [DataSample().set_gt_label(y) for y in (0, 1, 2, 3)]
    with torch.no_grad():
        feats = model.extract_feat(images)
        found = model.predict(images, samples)
    expected = similarity(feats.image, feats.text, feats.logit_scale,
                          feats.per_image)
    scores = torch.stack([sample.pred_score for sample in found])
    torch.testing.assert_close(scores, expected.softmax(1))
    assert feats.ids == unseen.names


def test_a_batch_is_its_images(model, images):
    """However it is cut."""
    shake(model)
    images = torch.cat([images, images[:1].flip(-1)])
    whole = logits(model, images)
    assert whole.shape == (5, 5) and not torch.allclose(whole[0], whole[4])
    for size in (1, 3):
        parts = [logits(model, part) for part in images.split(size)]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-4,
                                   atol=1e-4)


def test_two_processes_are_one(pair_configs, tmp_path):
    """A step of all pairs on two halves of a batch, and on all of it."""
    configs = {'-'.join(pair): config for pair, config in pair_configs.items()
               if learns(MODELS.build(config))}
    (tmp_path / 'configs').write_text(json.dumps(configs))
    run_two(WORKER, tmp_path / 'configs', tmp_path / 'out')
    first, second = (torch.load(tmp_path / f'out.{rank}', weights_only=True)
                     for rank in (0, 1))
    assert first.keys() == second.keys() == configs.keys()
    for pair in configs:
        (together, alone), (other, ) = first[pair], second[pair]
        for name, value in together.items():
            assert torch.equal(value, other[name])
            torch.testing.assert_close(
                value, alone[name], rtol=1e-4, atol=1e-6,
                msg=lambda text, at=f'{pair} {name}': f'{at}: {text}')
