"""Hosts, and hosts+DePT, give what the public code gives on fixed weights."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from reference_clip import (
    BASE,
    NEW,
    REFERENCE,
    draw,
    reference_clip,
    trainable_value,
)

from dept_mm.exchange.public_names import find_public_name
from dept_mm.models import DePTHead, PromptedCLIP
from dept_mm.models.heads import CLIPHead
from dept_mm.structures import Vocabulary

CONFIGS = Path(__file__).parents[2] / 'configs'
COOP, COCOOP, MAPLE, IVLP = (
    dict(type=f'{host}Prompt') for host in ('CoOp', 'CoCoOp', 'MaPLe', 'IVLP'))
# File -> the prompt learner that made it.
PROMPTS = dict(
    coop=dict(COOP, num_tokens=16),
    coop_dept=dict(COOP, num_tokens=16),
    coop_middle=dict(COOP, num_tokens=4, position='middle'),
    coop_front=dict(COOP, num_tokens=4, position='front'),
    coop_csc=dict(COOP, num_tokens=4, class_specific=True),
    cocoop=COCOOP,
    cocoop_dept=COCOOP,
    maple=dict(MAPLE, num_tokens=2, depth=3),
    maple_dept=dict(MAPLE, num_tokens=2, depth=3),
    kgcoop=dict(COOP, words='a photo of a'),
    kgcoop_dept=dict(COOP, words='a photo of a'),
    promptsrc=dict(IVLP, text_depth=3, image_depth=3),
)
TEMPLATES = Config.fromfile(
    CONFIGS / '_base_/templates/promptsrc.py').templates
# Host -> what its loss compares with, and that loss.
TEACHERS = dict(
    kgcoop=dict(templates='a centered satellite photo of {}.'),
    promptsrc=dict(templates=TEMPLATES, image=True))
TERMS = dict(
    kgcoop=dict(type='TextConsistencyLoss', loss_weight=2.0),
    promptsrc=dict(type='SelfConsistencyLoss'))


@pytest.fixture(scope='module')
def clip():
    return reference_clip()


@pytest.fixture(params=PROMPTS)
def case(request, clip):
    """Model and reference outputs of one file."""
    name = request.param
    vocabulary = Vocabulary(BASE + NEW, BASE)
    host = name.removesuffix('_dept')
    backbone = PromptedCLIP(clip, vocabulary, PROMPTS[name],
                            teacher=TEACHERS.get(host))
    losses = [TERMS[host]] if host in TERMS else []
    head = CLIPHead(losses=losses)
    if name.endswith('_dept'):
        head = DePTHead(vocabulary, in_channels=clip.spec.embed_dim,
                        losses=losses)
    with np.load(REFERENCE / f'{name}.npz') as file:
        expected = {k: file[k] for k in file.files}
    learner = type(backbone.prompt).__name__
    learned = {find_public_name(learner, f'{part}.{k}'): p
               for part, module in (('backbone', backbone), ('head', head))
               for k, p in module.named_parameters()}
    assert sorted(learned) == sorted(expected['trainable'])
    for key, parameter in learned.items():
        parameter.data.copy_(trainable_value(key, parameter.shape))
    return backbone, head, learned, expected


def close(ours, theirs, relative):
    """Compare with a tolerance relative to the largest value."""
    theirs = torch.as_tensor(theirs)
    scale = theirs.abs().max()
    torch.testing.assert_close(ours.detach().to(theirs.dtype), theirs,
                               rtol=0, atol=float(relative * scale))


def test_loss_and_gradients(case):
    backbone, head, learned, expected = case
    backbone.train()
    samples = [DataSample().set_gt_label(int(y)) for y in expected['labels']]
    losses = head.loss(backbone(torch.from_numpy(expected['images'])),
                       samples)
    loss = sum(losses.values())
    close(loss, expected['loss'], 1e-4)
    loss.backward()
    for key, parameter in learned.items():
        close(parameter.grad.norm(), expected[f'gradnorm/{key}'], 1e-3)
        # Large gradients are in the file as a random projection only.
        if f'grad/{key}' in expected:
            close(parameter.grad, expected[f'grad/{key}'], 1e-3)
        direction = torch.from_numpy(draw(key, parameter.shape))
        # The projection on a random direction is about the norm.
        error = ((parameter.grad * direction).sum().item()
                 - expected[f'gradproj/{key}'])
        assert abs(error) < 1e-3 * expected[f'gradnorm/{key}']


@pytest.mark.parametrize('half', ['base', 'new'])
def test_logits(case, half):
    backbone, head, _, expected = case
    names = dict(base=BASE, new=NEW)[half]
    if half == 'new' and getattr(backbone.prompt, 'class_ids', None):
        # The public test lends the base contexts to the new classes.
        backbone.prompt.class_ids = NEW
    backbone.eval()
    backbone.set_vocabulary(Vocabulary(names))
    with torch.no_grad():
        logits = head(backbone(torch.from_numpy(expected['images'])))
    close(logits, expected[f'logits_{half}'], 1e-4)
