"""What is promised of calibrated models, on real features of a CLIP.

Aircraft test images, of which 4 of each class are taken for validation.
"""
from pathlib import Path

import numpy as np
import pytest
import torch

from dept_mm.apis._calibrate import describe_calibration
from dept_mm.evaluation.conformal import count_members, find_limit
from dept_mm.evaluation.none_of_these import KNOWN_SCORES

FILE = (Path(__file__).parents[3]
        / 'shared/real_features/aircraft_vit-b-16.npz')
DRAWS = 50


@pytest.mark.skipif(not FILE.is_file(), reason='needs real features')
def test_coverage_and_accepted_share():
    with np.load(FILE) as file:
        image, label, text = (torch.from_numpy(file[key]) for key in (
            'image', 'label', 'text'))
    mine = label < 50
    logits = 100 * image[mine].float() @ text[:50].float().T
    labels = label[mine].long()
    found = dict(aps=[], lac=[], mcm=[], max_logit=[], energy=[])
    sizes = dict(aps=[], lac=[])
    random = np.random.RandomState(0)
    for _ in range(DRAWS):
        chosen = torch.zeros(len(labels), dtype=torch.bool)
        for key in range(50):
            chosen[random.permutation(np.flatnonzero(labels == key))[:4]] = 1
        fitted = describe_calibration(logits[chosen], labels[chosen], 100.)
        scores, order = (logits[~chosen] / fitted.temperature).softmax(1).sort(
            dim=1, descending=True, stable=True)
        rank = (order == labels[~chosen, None]).int().argmax(1)
        for kind in sizes:
            members = count_members(scores, kind, find_limit(
                fitted.validation_scores[kind], .9))
            found[kind].append((rank < members).float().mean())
            sizes[kind].append(members.float().mean())
        for kind, score in KNOWN_SCORES.items():
            limit = find_limit(fitted.validation_scores[kind], .95)
            found[kind].append((-score(logits[~chosen].double(), 100.)
                                <= limit).float().mean())
    for kind, shares in found.items():
        spread = np.std(shares)
        size = (f', {np.mean(sizes[kind]):.1f} classes' if kind in sizes
                else '')
        print(f'{kind}: {np.mean(shares):.3f} +- {spread:.3f}{size}')
        expected = .9 if kind in sizes else .95
        assert abs(np.mean(shares) - expected) < 3 * spread / DRAWS ** .5
    # Least ambiguous, and far from all 50 classes.
    assert np.mean(sizes['lac']) < np.mean(sizes['aps']) < 12
