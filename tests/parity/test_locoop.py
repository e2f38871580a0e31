"""LoCoOp is that of the public code. ``make_locoop.py`` writes
``locoop.npz``."""
import numpy as np
import pytest
import torch
from make_locoop import FILE, TOKENS, TOP_K, WEIGHT, make_images
from mmpretrain.structures import DataSample
from reference_clip import BASE, NEW, reference_clip, trainable_value

from dept_mm.evaluation.none_of_these import KNOWN_SCORES, score_local_match
from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.models.utils.similarity import local_similarity

CLOSE = dict(rtol=1e-4, atol=1e-4)


@pytest.fixture(scope='module')
def expected():
    return {key: torch.from_numpy(value)
            for key, value in np.load(FILE).items()}


@pytest.fixture(scope='module')
def backbone():
    backbone = PromptedCLIP(reference_clip(), BASE + NEW, local=True,
                            prompt=dict(type='CoOpPrompt', num_tokens=TOKENS))
    with torch.no_grad():
        context = backbone.prompt.context
        context.copy_(trainable_value('ctx', context.shape))
    return backbone


def test_loss_and_gradients(backbone, expected):
    images, labels = make_images()
    head = CLIPHead(losses=[dict(type='LocalEntropyLoss', top_k=TOP_K,
                                 loss_weight=WEIGHT)])
    # All ten classes are learned on: a list has no split.
    losses = head.loss(backbone.train()(images), [
        DataSample().set_gt_label(y) for y in labels])
    torch.testing.assert_close(losses['loss'], expected['loss_id'], **CLOSE)
    torch.testing.assert_close(losses['loss_term0'],
                               WEIGHT * expected['loss_en'], **CLOSE)
    grad, = torch.autograd.grad(losses['loss'] + losses['loss_term0'],
                                backbone.prompt.context)
    scale = expected['grad'].abs().max()
    torch.testing.assert_close(grad / scale, expected['grad'] / scale,
                               **CLOSE)


def test_patches_and_scores(backbone, expected):
    with torch.no_grad():
        feats = backbone.eval()(make_images()[0])
        logits = CLIPHead()(feats)
    local = local_similarity(feats)
    torch.testing.assert_close(feats.extra['local'], expected['features'],
                               **CLOSE)
    torch.testing.assert_close(local, expected['local'], **CLOSE)
    mcm = KNOWN_SCORES['mcm'](logits, 100.)
    torch.testing.assert_close(mcm, -expected['mcm'], **CLOSE)
    torch.testing.assert_close(mcm + score_local_match(local, 100.),
                               -expected['glmcm'], **CLOSE)
