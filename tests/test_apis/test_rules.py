"""What a calibrated model says beside its likeliest classes."""
import math
from dataclasses import replace

import pytest
import torch

from dept_mm.apis._calibrate import describe_calibration
from dept_mm.errors import DeptError
from dept_mm.evaluation.none_of_these import KNOWN_SCORES

NEW = ['sea horse', 'owl']


def test_none_of_these(model, photos):
    best = model.probabilities(photos).amax(1)
    middle = best.median().item()
    found = model.predict(photos, threshold=middle)
    assert [one.name is None for one in found] == (best < middle).tolist()
    assert all(one.name in (None, one.classes[0]) for one in found)
    with pytest.raises(DeptError, match='threshold is 40'):
        model.predict(photos, threshold=40)


@pytest.fixture(scope='module')
def calibrated(model):
    """The model with scores of validation images that are made up."""
    scores = describe_calibration(
        torch.randn(60, len(model.classes)),
        torch.arange(60) % len(model.classes), 1.).validation_scores
    return replace(model, temperature=2., validation_scores=scores)


@pytest.mark.parametrize('kind', ['aps', 'lac'])
def test_a_set_holds_what_is_no_stranger_than_the_limit(calibrated, photos,
                                                        kind):
    found = calibrated.predict(photos, 1, coverage=.3, sets=kind)
    limit = calibrated.validation_scores[kind][math.ceil(61 * .3) - 1]
    for one, scores in zip(found, calibrated.probabilities(photos).double(),
                           strict=True):
        members = {
            name for name, p in zip(calibrated.classes, scores, strict=True)
            if -(scores[scores <= p].sum() if kind == 'aps' else p).log()
            <= limit}
        assert set(one.set) == members | {one.classes[0]}
        assert one.classes == one.set and one.name == one.classes[0]
    assert calibrated.predict(photos, 1)[0].set is None


@pytest.mark.parametrize('kind', ['mcm', 'max_logit', 'energy'])
def test_unknown_images_by_a_score(calibrated, photos, kind):
    """The limit is put between the second and the third score."""
    with torch.no_grad():
        logits = calibrated.logits(calibrated.pixels(photos))
    scores = KNOWN_SCORES[kind](logits.double(), calibrated.logit_scale)
    order = scores.argsort(descending=True)
    limit = -scores[order[1:3]].mean().item()
    one = replace(calibrated, validation_scores={kind: [limit] * 19})
    found = one.predict(photos, unknown=kind, accept=.95)
    assert [i for i in range(5) if found[i].name] == sorted(
        order[:2].tolist())


@pytest.mark.parametrize('asked, words', [
    (dict(coverage=.9), 'calibrate it first'),
    (dict(unknown='mcm'), 'calibrate it first'),
    (dict(coverage=.9, sets='all'), "'all' is none of aps, lac"),
    (dict(unknown='msp'), "'msp' is none of mcm")])
def test_what_needs_a_calibration(model, photos, asked, words):
    with pytest.raises(DeptError, match=words):
        model.predict(photos, **asked)


def test_distance_aware(model, photos):
    """Logits of an image are scaled by the factor of the class it is taken
    for, which is 1 for trained classes."""
    aware = replace(model, distance_aware=True, temperature=2.)
    assert (aware.factors[:16] == 1).all() and (aware.factors[16:] != 1).all()
    with torch.no_grad():
        logits = model.logits(model.pixels(photos))
    aware.__dict__['factors'] = torch.linspace(.5, 2, 32)
    expected = torch.stack([row / 2 * aware.factors[row.argmax()]
                            for row in logits]).softmax(1)
    torch.testing.assert_close(aware.probabilities(photos), expected)
    one, = aware.predict(photos[:1], 1)
    assert one.probabilities[0] == pytest.approx(expected[0].max().item())


def test_distance_aware_where_no_trained_class_is_scored(model):
    """New names alone are compared with the trained classes all the same."""
    both, alone = (replace(model.with_classes(NEW, also=also),
                           distance_aware=True) for also in (True, False))
    torch.testing.assert_close(alone.factors, both.factors[-2:])
    assert (alone.factors != 1).all()
    known = replace(model, distance_aware=True).factors
    torch.testing.assert_close(both.factors[:-2], known)


@pytest.mark.parametrize('changes, words', [
    ({'model.backbone.prompt.type': 'CoCoOpPrompt',
      'model.head': dict(_delete_=True, type='CLIPHead')}, 'for each image'),
    ({'model.backbone.vocabulary': None, 'model.backbone.prompt': None},
     'the model has none')])
def test_models_without_distances(make, changes, words):
    with pytest.raises(DeptError, match=words):
        replace(make(**changes), distance_aware=True).factors  # noqa: B018
