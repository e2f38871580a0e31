"""PromptKD gives what its public code gives on fixed weights; see
make_promptkd.py."""
from copy import deepcopy

import numpy as np
import pytest
import torch
from make_methods import SALT, make_images
from make_promptkd import (
    TEACHER,
    TEACHER_SALT,
    TEACHER_WIDTH,
    running_value,
)
from make_trajectories import sample
from mmpretrain.models import ImageClassifier
from mmpretrain.structures import DataSample
from reference_clip import (
    BASE,
    NEW,
    REFERENCE,
    frozen_value,
    reference_clip,
    trainable_value,
)
from test_methods import close
from torch import nn

from dept_mm.exchange.public_names import find_public_name
from dept_mm.models import PromptedCLIP, TeacherSpace
from dept_mm.models.clip import CLIPSpec, FrozenCLIP
from dept_mm.registry import MODELS
from dept_mm.structures import Vocabulary

CLASSES = Vocabulary(BASE + NEW)
LEARNER = dict(type='IVLPPrompt', image_depth=3)


def classifier(backbone, head, neck=None):
    """An ImageClassifier of parts that are built."""
    model = ImageClassifier(backbone, head=head)
    if neck is not None:
        model.neck = neck
    return model


def wider(clip):
    """The CLIP with projections to the teacher's width."""
    model = deepcopy(clip.model)
    for part, ours, theirs in ((model.visual, 'proj', 'visual.proj'),
                               (model.text, *['text_projection'] * 2)):
        shape = (len(getattr(part, ours)), TEACHER_WIDTH)
        setattr(part, ours, nn.Parameter(torch.from_numpy(
            frozen_value(theirs, shape, SALT))))
    spec = CLIPSpec(TEACHER_WIDTH, 32, *[(0.5, ) * 3] * 2, 'bicubic')
    return FrozenCLIP(model, clip.tokenizer, spec, 'wider')


@pytest.fixture(scope='module')
def expected():
    with np.load(REFERENCE / 'method_promptkd.npz') as file:
        return {k: torch.from_numpy(value) for k, value in file.items()
                if value.dtype.kind != 'U'}  # texts describe checkpoints


@pytest.fixture
def student(monkeypatch):
    """The student with its teacher, and what is learned by public name."""
    teacher = MODELS.build(dict(type='TunedTeacher'))
    tuned = PromptedCLIP(wider(reference_clip(SALT)), CLASSES, dict(
        LEARNER, text_depth=3))
    for name, parameter in tuned.named_parameters():
        key = find_public_name('IVLPPrompt', f'backbone.{name}')
        parameter.data.copy_(trainable_value(TEACHER_SALT + key,
                                             TEACHER[key]))
    teacher.take(classifier(tuned, dict(type='CLIPHead')))
    backbone = PromptedCLIP(reference_clip(SALT), CLASSES, dict(
        LEARNER, num_text_tokens=0))
    backbone.teacher = teacher
    monkeypatch.setattr('dept_mm.models.necks.teacher_space.clip_spec',
                        lambda clip: clip.spec)
    model = classifier(
        backbone, dict(type='UnlabelledHead', losses=[dict(
            type='TeacherDivergenceLoss', temperature=2.)]),
        TeacherSpace(backbone.clip, CLASSES, TEACHER_WIDTH))
    learned = {find_public_name('IVLPPrompt', name): p
               for name, p in model.named_parameters()}
    for key, parameter in learned.items():
        shape = parameter.shape + (1, 1) * (parameter.shape[0] > 4
                                            and parameter.ndim == 2)
        parameter.data.copy_(trainable_value(SALT + key, shape).view_as(
            parameter))
    for name, value in model.named_buffers():
        if 'running' in name:
            value.copy_(running_value(name.replace(
                'neck.project', 'VPT_image_trans.conv1'), value.shape))
    return model, learned


def test_loss_and_gradients(student, expected):
    model, learned = student
    losses = model.train().loss(make_images()[0], [DataSample()] * 5)
    loss = sum(losses.values())
    close(loss, expected['loss'], 1e-5)
    loss.backward()
    assert {f'grad/{key}' for key in learned} == {
        key for key in expected if key.startswith('grad/')}
    # The batch norm behind it takes a bias away; what is left is rounding.
    nothing = learned.pop('VPT_image_trans.conv1.0.bias').grad
    assert nothing.norm() < 1e-3
    for key, parameter in learned.items():
        close(parameter.grad.norm(), expected[f'norm/{key}'], 1e-4)
        close(torch.from_numpy(sample(parameter.grad)),
              expected[f'grad/{key}'], 1e-3)


def test_logits(student, expected):
    model, _ = student
    images = make_images()[0]
    statistics = {k: v.clone() for k, v in model.neck.named_buffers()
                  if 'running' in k}
    with torch.no_grad():
        model.train().loss(images, [DataSample()] * 5)  # keeps the texts
        model.neck.load_state_dict(model.neck.state_dict() | statistics)
        model.backbone.teacher = None  # a trained student needs none
        logits = model.eval()(images)
    for half, columns in (('base', slice(5)), ('new', slice(5, 10))):
        close(logits[:, columns], expected[f'logits_{half}'], 1e-4)
