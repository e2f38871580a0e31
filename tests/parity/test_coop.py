"""CoOp and CoOp+DePT give what the public code gives on fixed weights."""
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from dept_mm.models import DePTHead, PromptedCLIP
from dept_mm.models.heads import CLIPHead
from dept_mm.structures import Vocabulary

sys.path.insert(0, str(Path(__file__).parent))
from reference_clip import (  # noqa: E402
    BASE,
    NEW,
    REFERENCE,
    reference_clip,
    trainable_value,
)

PROMPTS = dict(
    coop=dict(num_tokens=16),
    coop_dept=dict(num_tokens=16),
    coop_middle=dict(num_tokens=4, position='middle'),
    coop_front=dict(num_tokens=4, position='front'),
    coop_csc=dict(num_tokens=4, class_specific=True),
)
# Our parameter -> the name the public code gives it.
PUBLIC = {
    'prompt.context': 'prompt_learner.ctx',
    'image_transform.scale': 'film_lp_img.scale',
    'image_transform.bias': 'film_lp_img.bias',
    'text_transform.scale': 'film_lp_text.scale',
    'text_transform.bias': 'film_lp_text.bias',
    'linear.weight': 'linear_probe_proj.weight',
    'linear.bias': 'linear_probe_proj.bias',
}


@pytest.fixture(scope='module')
def clip():
    return reference_clip()


@pytest.fixture(params=PROMPTS)
def case(request, clip):
    """Model and reference outputs of one file."""
    name = request.param
    vocabulary = Vocabulary(BASE + NEW, BASE)
    backbone = PromptedCLIP(clip, vocabulary,
                            dict(type='CoOpPrompt', **PROMPTS[name]))
    head = CLIPHead()
    if name.endswith('_dept'):
        head = DePTHead(vocabulary, in_channels=clip.spec.embed_dim)
    with np.load(REFERENCE / f'{name}.npz') as file:
        expected = {k: file[k] for k in file.files}
    learned = {PUBLIC[k]: p for module in (backbone, head)
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
        close(parameter.grad, expected[f'grad/{key}'], 1e-3)
        close(parameter.grad.norm(), expected[f'gradnorm/{key}'], 1e-3)


@pytest.mark.parametrize('half', ['base', 'new'])
def test_logits(case, half):
    backbone, head, _, expected = case
    names = dict(base=BASE, new=NEW)[half]
    if backbone.prompt.class_ids and half == 'new':
        # The public test lends the base contexts to the new classes.
        backbone.prompt.class_ids = NEW
    backbone.eval()
    backbone.set_vocabulary(Vocabulary(names))
    with torch.no_grad():
        logits = head(backbone(torch.from_numpy(expected['images'])))
    close(logits, expected[f'logits_{half}'], 1e-4)
