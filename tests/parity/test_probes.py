"""Probes give the logits that their public code gives.

``make_probes.py`` writes ``probes.npz``.
"""
import numpy as np
import pytest
import torch
from probe_data import BASE, NEW, REFERENCE, WIDTH, make_data
from torch.nn import functional as F

from dept_mm.models import CLIPHead
from dept_mm.registry import MODELS
from dept_mm.structures import CLIPFeatures, Vocabulary

DATA = make_data()
NAMES = tuple(f'class {i}' for i in range(BASE + NEW))
CLASSES = Vocabulary(NAMES, NAMES[:BASE])


@pytest.fixture(scope='module')
def reference():
    with np.load(REFERENCE) as file:
        return dict(file)


@pytest.fixture
def logits(monkeypatch):
    """A function that fits a probe and returns its logits of test images."""
    monkeypatch.setattr('dept_mm.models.probes.base.clip_spec',
                        lambda clip: type('Spec', (), dict(embed_dim=WIDTH)))

    def fit(search=True, **config):
        probe = MODELS.build(dict(config, clip={}, vocabulary=CLASSES))
        probe.fit(DATA.images, DATA.labels, DATA.texts,
                  (DATA.val_images, DATA.val_labels) if search else None)
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


def zero_shot(texts):
    return 100 * DATA.test_images @ F.normalize(texts, dim=1).T


def test_gda(logits, reference):
    base, new = logits(type='GDAProbe')
    close(base, reference['gda'])
    assert (base - zero_shot(DATA.texts)).abs().max() > .1


def test_gda_from_base_to_new(logits, reference):
    base, new = logits(type='GDAProbe', estimator='plain')
    close(base, reference['gda_plain'])
    close(new, reference['gda_new'])
