"""Whether a model notices images of classes that it does not know."""
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from run_tool import run_tool
from sklearn.metrics import roc_auc_score

import dept_mm
from dept_mm.apis import measure_unknown
from dept_mm.datasets import DrawnShapes, drawn_shapes
from dept_mm.errors import DeptError
from dept_mm.evaluation.none_of_these import KNOWN_SCORES
from dept_mm.structures import Vocabulary

FAR = dict(type='DrawnShapes', style='clean', namespace='far')


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    monkeypatch.setitem(drawn_shapes._SIZES, 'test', 2)


@pytest.fixture(scope='module')
def model(checkpoint):
    return dept_mm.load(checkpoint)


def score(model, **options):
    """Each score of each test image, with the base classes alone."""
    data = DrawnShapes(split='test', **options)
    with torch.no_grad():
        logits = model.logits(model.pixels(
            [data.get_data_info(i)['img'] for i in range(len(data))]))
    return {kind: function(logits[:, :16].double(), model.logit_scale)
            for kind, function in KNOWN_SCORES.items()}


def test_near_and_far(model):
    found = measure_unknown(model, FAR, batch_size=10)
    known, near, far = score(model, task='base'), score(
        model, task='new'), score(model, style='clean')
    for name, unknown, total in (('near', near, 32), ('far', far, 64)):
        assert found[name]['known'] == 32 and found[name]['unknown'] == total
        for kind in KNOWN_SCORES:
            assert found[name][kind]['auroc'] == pytest.approx(roc_auc_score(
                [1] * 32 + [0] * total,
                torch.cat([known[kind], unknown[kind]])), rel=1e-4)
    assert 'far' not in measure_unknown(model)


def test_known_classes_of_the_other_data_set_are_left_out(model):
    assert measure_unknown(model, dict(FAR, namespace=None))['far'][
        'unknown'] == 32


def test_mistakes(model):
    config = deepcopy(model.config)
    config.train_dataloader = None
    with pytest.raises(DeptError, match='names no data set'):
        measure_unknown(replace(model, config=config))
    tuned = deepcopy(model.module)
    tuned.backbone.set_vocabulary(Vocabulary(model.classes))
    with pytest.raises(DeptError, match='Name a data set'):
        measure_unknown(replace(model, module=tuned))


def test_tool(checkpoint, model, tmp_path):
    (tmp_path / 'far.py').write_text(f'dataset = {FAR}')
    found = run_tool('test_unknown.py', checkpoint, '--far',
                     tmp_path / 'far.py')
    assert found.returncode == 0, found.stderr
    expected = measure_unknown(model, FAR)
    for text in ('near: 32 known images, 32 unknown', 'far: 32 known images',
                 f'{100 * expected["far"]["mcm"]["auroc"]:.2f}',
                 f'{100 * expected["near"]["energy"]["fpr95"]:.2f}'):
        assert text in found.stdout
    wrong = run_tool('test_unknown.py', checkpoint, '--far', 'nowhere')
    assert "'nowhere' is neither" in wrong.stderr and wrong.returncode == 1
