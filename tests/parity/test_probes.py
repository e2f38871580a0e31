"""Probes give the logits that their public code gives.

``make_probes.py`` writes ``probes.npz``.
"""
import itertools
import math

import numpy as np
import pytest
import torch
from probe_data import BASE, NEW, REFERENCE, make_data

from dept_mm.models import CLIPHead
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary

DATA = make_data()
CLIP = dict(name='ViT-B-16-quickgelu', pretrained='random')  # 512 wide
NAMES = tuple(f'class {i}' for i in range(BASE + NEW))
CLASSES = Vocabulary(NAMES, NAMES[:BASE])


@pytest.fixture(scope='module')
def reference():
    with np.load(REFERENCE) as file:
        return dict(file)


@pytest.fixture
def fitted():
    """The probes that were fitted."""
    return []


@pytest.fixture
def logits(fitted):
    """A function that fits a probe and returns its logits of test images."""
    def fit(validation=(DATA.val_images, DATA.val_labels),
            images=DATA.images, **config):
        probe = MODELS.build(dict(config, clip=CLIP, vocabulary=CLASSES))
        probe.fit(images, DATA.labels, DATA.texts, validation)
        fitted.append(probe)
        feats = CLIPFeatures(
            torch.cat([DATA.texts, DATA.new_texts]),
            torch.arange(len(CLASSES)), CLASSES.ids, torch.tensor(100.), None,
            None, None, DATA.test_images)
        base = feats._replace(text=DATA.texts, labels=feats.labels[:BASE])
        head = CLIPHead()
        return [head(probe(feats))[:, BASE:], head(probe(base))][::-1]

    return fit


def close(ours, theirs):
    """To 1e-4 of the spread of the logits, up to a number per image."""
    theirs = torch.from_numpy(theirs)
    ours, theirs = (x - x.mean(1, keepdim=True) for x in (ours, theirs))
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_gda(logits, reference):
    close(logits(type='GDAProbe')[0], reference['gda'])


def test_gda_from_base_to_new(logits, reference):
    base, new = logits(type='GDAProbe', estimator='plain')
    close(base, reference['gda_plain'])
    close(new, reference['gda_new'])


def test_linear_probe(logits, reference, fitted):
    """scikit-learn's minimum; and the C that a search with it chooses."""
    exact = DATA.images.double()
    close(logits(None, exact, type='LinearProbe', tolerance=1e-8)[0],
          reference['linear'])
    logits(type='LinearProbe')
    assert abs(math.log10(fitted[-1].C) - reference['linear_power']) < 1e-4


@pytest.mark.parametrize('name, options', [
    ('task_res', dict(type='TaskRes')),
    ('clap', dict(type='CLAP')),
    ('ape', dict(type='APE')),
    ('ape_t', dict(type='APET', rate=.01))])
def test_public_code(name, options, logits, reference):
    close(logits(**options)[0], reference[name])


def test_lp_plus_plus(logits, reference):
    """Measured on the training images; unmeasured, the last step is kept."""
    for validation in ((DATA.images, DATA.labels), None):
        close(logits(validation, type='LPPlusPlus')[0],
              reference['lp_plus_plus'])


def test_cross_modal(logits, reference, monkeypatch):
    """Batches in the order of the data: images four by four, one of texts."""
    monkeypatch.setattr(
        'dept_mm.models.probes.cross_modal.draw_batches',
        lambda size, batch_size, random: itertools.cycle(
            torch.arange(size).split(batch_size)[:size // batch_size]))
    close(logits(type='CrossModalProbe', rates=(1e-3, ), decays=(.01, ),
                 batch_sizes=(8, ), num_steps=300)[0],
          reference['cross_modal'])
