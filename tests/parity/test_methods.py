"""Newer methods give what their public code gives on fixed weights; see
make_methods.py and make_clip_lora.py."""
import numpy as np
import pytest
import torch
from make_methods import SALT, make_images, make_sentences
from make_trajectories import sample
from mmpretrain.structures import DataSample
from reference_clip import (
    BASE,
    NEW,
    REFERENCE,
    reference_clip,
    trainable_value,
)
from torch import nn

from dept_mm.exchange.public_names import find_public_name
from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.registry import MODELS
from dept_mm.structures import Views, Vocabulary

MMRL = dict(type='MMRLPrompt', token_width=16, first_block=2)
MMRL_HEAD = dict(
    loss=dict(type='CrossEntropyLoss', loss_weight=.7),
    losses=[dict(type='TokenFeatureLoss', loss_weight=.3),
            dict(type='TextConsistencyLoss', loss_weight=.5),
            dict(type='ImageConsistencyLoss', loss_weight=.5)])
IMAGE = dict(image=True)
MAPLE = dict(type='MaPLePrompt', num_tokens=2, depth=3)
# Method -> learner, teacher, head.
METHODS = dict(
    mmrl=(MMRL, IMAGE, MMRL_HEAD),
    mmrlpp=(dict(MMRL, blend=.6, rank=4, projection_rank=3), IMAGE,
            MMRL_HEAD),
    clip_lora=(dict(type='CLIPLoRA', dropout=0.), None, {}),
    mm_adapter=(dict(type='MultiModalAdapter', first_block=2, width=4,
                     scale=.1), None, {}),
    coprompt=(MAPLE, dict(IMAGE, draw=True, sentences={
        name: own[1:] for name, own in make_sentences().items()}), dict(
            losses=[dict(type='TextConsistencyLoss', loss_weight=2.),
                    dict(type='ImageConsistencyLoss', loss_weight=2.)])),
    coop_atp=(dict(type='ATPrompt', num_tokens=2, host=dict(
        type='CoOpPrompt', num_tokens=3)), None, {}),
    maple_atp=(dict(type='ATPrompt', num_tokens=2, host=dict(
        MAPLE, words='a photo')), None, {}))
# What stands between backbone and head.
NECKS = dict(coprompt=dict(type='CLIPAdapter', ratio=.1, text_ratio=.2))
# The sentence of the public code for the data set of its run.
TEMPLATE = ('a centered satellite photo of {}.', )


@pytest.fixture(params=METHODS, scope='module')
def case(request):
    """Model and reference outputs of one method."""
    prompt, teacher, head = METHODS[request.param]
    backbone = PromptedCLIP(reference_clip(SALT), Vocabulary(
        BASE + NEW, BASE, TEMPLATE), prompt, teacher=teacher)
    with np.load(REFERENCE / f'method_{request.param}.npz') as file:
        expected = {k: torch.from_numpy(value) for k, value in file.items()
                    if value.dtype.kind != 'U'}  # texts describe checkpoints
    neck = nn.Identity()
    if request.param in NECKS:
        clip = dict(name='ViT-B-16', pretrained='random')  # 512 wide
        neck = MODELS.build(dict(NECKS[request.param], clip=clip))
    learned = {find_public_name(prompt['type'], f'{part}.{name}'): p
               for part, module in (('backbone', backbone), ('neck', neck))
               for name, p in module.named_parameters()}
    for key, parameter in learned.items():
        parameter.data.copy_(trainable_value(SALT + key, parameter.shape))
    return backbone, neck, CLIPHead(**head), learned, expected


def close(ours, theirs, relative):
    """Compare with a tolerance relative to the largest value."""
    torch.testing.assert_close(
        ours.detach().to(theirs.dtype), theirs, rtol=0,
        atol=float(relative * theirs.abs().max()))


def test_loss_and_gradients(case):
    backbone, neck, head, learned, expected = case
    images, labels = make_images()
    view = make_images('view')[0]
    inputs = images if isinstance(neck, nn.Identity) else Views(images, view)
    losses = head.loss(neck(backbone.train()(inputs)),
                       [DataSample().set_gt_label(y) for y in labels])
    loss = sum(losses.values())
    close(loss, expected['loss'], 1e-5)
    backbone.zero_grad()
    neck.zero_grad()
    loss.backward()
    grads = {key for key in expected if key.startswith('grad/')}
    assert {f'grad/{key}' for key in learned} == grads
    for key, parameter in learned.items():
        close(parameter.grad.norm(), expected[f'norm/{key}'], 1e-4)
        close(torch.from_numpy(sample(parameter.grad)),
              expected[f'grad/{key}'], 1e-3)


def test_logits(case):
    backbone, neck, head, _, expected = case
    with torch.no_grad():
        logits = head(neck(backbone.eval()(make_images()[0])))
    for half, columns in (('base', slice(5)), ('new', slice(5, 10))):
        close(logits[:, columns], expected[f'logits_{half}'], 1e-4)
