"""A test of TDA: seeded, without labels, and empty at its start."""
import numpy as np
import pytest
from mmengine.runner import Runner

from dept_mm.errors import DeptError
from dept_mm.models import TDA


@pytest.fixture
def results():
    return []


@pytest.fixture
def tops(small_run, results):
    """A function that gives the logits of all images, in the order in which
    they come, of each test of a run."""
    def make(seed=1, labels=None, times=1, twice=False):
        cfg = small_run('dept/quickstart.py')
        cfg.model.head = dict(type='CLIPHead')
        del cfg.model.backbone['prompt']
        cfg.model.neck = dict(type='TDA', mask=(0., 1.), entropy=(0., 9.))
        cfg.custom_hooks = cfg.custom_hooks + [dict(type='TDAHook')]
        if twice:
            cfg.test_cfg = dict(type='MultiDatasetTestLoop', datasets=dict(
                again=cfg.test_dataloader.dataset))
        cfg.randomness = dict(seed=seed)
        cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = None
        cfg.param_scheduler = None
        cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
        runner = Runner.from_cfg(cfg)
        loop = runner.build_test_loop(cfg.test_cfg)
        runner._test_loop = loop
        if labels is not None:
            data, read = loop.dataloader.dataset, type(
                loop.dataloader.dataset).get_data_info
            count = len(data.metainfo['classes'])
            data.get_data_info = lambda i: dict(
                read(data, i), gt_label=(labels + i) % count)
        call = TDA._adapt

        def spy(neck, image, logits):
            bonus = call(neck, image, logits)
            seen.append((logits + bonus).numpy())
            return bonus

        runs = []
        for _ in range(times):
            seen = []
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(TDA, '_adapt', spy)
                results.append(runner.test())
            runs.append(np.stack(seen))
            assert runner.model.neck.classes is None
        return runs

    return make


def test_labels_change_nothing(tops, results):
    assert np.array_equal(*tops(), *tops(labels=3))
    assert results[0] != results[1]


def test_the_order_is_that_of_the_seed(tops):
    first, again = tops(times=2)
    assert np.array_equal(first, again)
    other, = tops(seed=2)
    assert not np.allclose(first[0], other[0])


def test_the_next_data_set_finds_empty_caches(tops):
    first, second = np.split(tops(twice=True)[0], 2)
    assert np.array_equal(first, second)


def test_models_without_tda_are_refused(small_run):
    cfg = small_run('dept/quickstart.py')
    cfg.custom_hooks = [dict(type='TDAHook')]
    with pytest.raises(DeptError, match='has no TDA'):
        Runner.from_cfg(cfg).train()
