"""Skip Tuning gives what its public code gives on fixed weights; see
make_skip_tuning.py."""
import numpy as np
import pytest
import torch
from make_methods import SALT, make_images
from make_skip_tuning import FIRST, LABELS
from make_trajectories import sample
from mmpretrain.structures import DataSample
from reference_clip import BASE, NEW, REFERENCE, reference_clip
from test_methods import TEMPLATE, close

from dept_mm.exchange.public_names import find_public_name
from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.models.class_texts import ClassSample
from dept_mm.structures import Vocabulary


@pytest.fixture(scope='module')
def expected():
    with np.load(REFERENCE / 'method_skip_tuning.npz') as file:
        return {k: torch.from_numpy(value) for k, value in file.items()
                if value.dtype.kind != 'U'}  # texts describe checkpoints


@pytest.fixture
def backbone():
    return PromptedCLIP(
        reference_clip(SALT), Vocabulary(BASE + NEW, BASE, TEMPLATE),
        dict(type='TunedBlocks', first_block=FIRST + 1))


def test_loss_and_gradients(backbone, expected):
    """Logits of images among four of five classes."""
    backbone.texts.sample = ClassSample()
    backbone.texts.sample.targets = LABELS
    feats = backbone.train()(make_images()[0])
    assert len(feats.labels) == expected['kept'].sum() == 4
    loss, = CLIPHead().loss(feats, [
        DataSample().set_gt_label(y) for y in LABELS]).values()
    close(loss, expected['loss'], 1e-5)
    loss.backward()
    learned = {find_public_name('TunedBlocks', f'backbone.{name}'): p
               for name, p in backbone.named_parameters()}
    assert {f'grad/{key}' for key in learned} == {
        key for key in expected if key.startswith('grad/')}
    for key, parameter in learned.items():
        close(parameter.grad.norm(), expected[f'norm/{key}'], 1e-4)
        close(torch.from_numpy(sample(parameter.grad)),
              expected[f'grad/{key}'], 1e-3)


def test_logits(backbone, expected):
    with torch.no_grad():
        logits = CLIPHead()(backbone.eval()(make_images()[0]))
    for half, columns in (('base', slice(5)), ('new', slice(5, 10))):
        close(logits[:, columns], expected[f'logits_{half}'], 1e-4)
