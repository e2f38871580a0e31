"""A run with a feature store must be the run without it."""

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from safetensors.torch import load_file
from stored_runs import EPOCHS, assert_equal, train

from dept_mm.cli.arguments import cache_features
from dept_mm.datasets import LoadRGBImage, StoredFeatures
from dept_mm.engine.feature_store import compute
from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result
from dept_mm.models.clip import FrozenCLIP
from dept_mm.registry import MODELS
from dept_mm.structures import ImageFeatures


def test_exact_with_as_many_views_as_epochs(make, learner):
    expected = make('without', views=False)
    expected.model.backbone.prompt = learner
    cfg = make('with')
    cfg.model.backbone.prompt = learner
    backbone = Runner.from_cfg(expected).model.backbone
    visual = backbone.prompt.for_image()
    if not visual.empty and not backbone.clip.image_tower.count_below(visual):
        with pytest.raises(DeptError, match='changes the first block'):
            train(cfg)
        return
    assert_equal(train(cfg), train(expected))


def test_workers_and_a_second_run(make, monkeypatch):
    """The second run looks at no image."""
    expected = train(make('without', views=False))
    workers = {f'{name}_dataloader.num_workers': 2
               for name in ('train', 'val')}
    first = train(make('first', **workers))
    monkeypatch.setattr(FrozenCLIP, 'encode_image', None)
    monkeypatch.setattr(LoadRGBImage, 'transform', None)
    second = train(make('second', **workers))
    assert_equal(first, expected)
    assert_equal(second, expected)
    assert second[0] == first[0]


def test_what_does_not_fit_into_memory_is_refused(make, monkeypatch):
    monkeypatch.setattr(compute, 'total_memory', lambda: 3 * 1000)
    with pytest.raises(DeptError, match='16 images .* Run without --cache-f'):
        train(make('run'))


def test_fewer_views_are_an_approximation(make, tmp_path):
    losses = [train(make(str(views), views=views))[0]
              for views in (None, 2, 1)]
    # Epoch 2 (from 0) draws anew, or repeats view 0.
    assert losses[0][:8] == losses[1][:8]
    assert losses[0][8:] != losses[1][8:]
    assert losses[0][:4] == losses[2][:4]
    log, = (path.read_text() for path in tmp_path.glob('2/*/*.log'))
    assert 'approximates' in log
    log, = (path.read_text() for path in tmp_path.glob('None/*/*.log'))
    assert 'exact' in log
    # Views are shared between these runs.
    assert len(list((tmp_path / 'features').glob('train-*'))) == EPOCHS


def test_no_views_store_test_images_only(make, tmp_path):
    cfg = make('zero', views=0)
    assert_equal(train(cfg), train(make('without', views=False)))
    stored, = (tmp_path / 'features').iterdir()
    assert stored.name.startswith('test-')


def test_a_resumed_run(make):
    train(make('run', **{'train_cfg.max_epochs': 1}))
    losses, _, learned = train(make('run', resume=True))
    expected = train(make('whole', views=False))
    assert losses == pytest.approx(expected[0], rel=1e-4)
    for name, value in expected[2].items():
        torch.testing.assert_close(learned[name], value, rtol=1e-3,
                                   atol=1e-5)


def test_tests_and_the_zero_shot_rows(make, tmp_path, monkeypatch):
    expected = Runner.from_cfg(make('without', views=False)).test()
    train(make('without', views=False))
    train(make('with'))
    without, stored = (read_result(tmp_path / name)
                       for name in ('without', 'with'))
    assert 'zero-shot' in stored['results']
    for key in ('images', 'fingerprint', 'recipe'):
        assert without[key] == stored[key]
    # Batches of another size may be summed in another order.
    torch.testing.assert_close(without['results'], stored['results'],
                               rtol=1e-5, atol=1e-5)
    # The test images are the validation images, which are stored by now.
    monkeypatch.setattr(FrozenCLIP, 'encode_image', None)
    runner = Runner.from_cfg(make('with'))
    assert runner.test() == expected
    assert isinstance(runner.test_dataloader.dataset, StoredFeatures)


def test_low_precision_stays_what_it_is(make, clip, tmp_path):
    """Features of a bf16 tower are bf16, as without a store."""
    bf16 = dict(clip, precision='bf16')
    options = {'model.backbone.clip': bf16}
    found = train(make('with', **options))
    expected = train(make('without', views=False, **options))
    assert found[0] == pytest.approx(expected[0], rel=.02)
    path, = (tmp_path / 'features').glob('test-*')
    assert load_file(path)['features'].dtype == torch.bfloat16


@pytest.mark.parametrize('options, why', [
    ({'train_dataloader.sampler.type': 'DefaultSampler'}, 'EpochSampler'),
    ({'model.backbone.tpt': dict()}, 'tuned on views'),
    ({'model.backbone.local': True}, 'features of patches'),
    ({'model.train_cfg': dict(augments=dict(type='Mixup', alpha=.2))},
     'batch_augments'),
    ({'model.data_preprocessor': dict(type='ClsDataPreprocessor')},
     'CLIPDataPreprocessor'),
    ({'model.backbone': dict(_delete_=True, type='ResNet', depth=18)},
     'PromptedCLIP'),
    ({'train_cfg': dict(_delete_=True, by_epoch=False, max_iters=4)},
     'by_epoch'),
])
def test_refusals_say_why(make, options, why, tmp_path):
    cfg = Config(make('run').to_dict())
    cfg.merge_from_dict(options)
    with pytest.raises(DeptError, match=why):
        Runner.from_cfg(cfg).train()
    assert not (tmp_path / 'features').exists()


def test_a_learner_of_visual_prompts_refuses_features(clip, vocabulary):
    """Also without the hook."""
    model = MODELS.build(dict(
        type='PromptedCLIP', clip=clip, vocabulary=vocabulary,
        prompt=dict(type='IVLPPrompt', num_text_tokens=0)))
    with pytest.raises(DeptError, match='give it images'):
        model(ImageFeatures(torch.randn(2, 16)))


def test_negative_views(make):
    with pytest.raises(DeptError, match='views=-2'):
        Runner.from_cfg(make('run', views=-2))


def test_the_option_of_the_tools(tmp_path):
    """Its hook takes the place of one in the config."""
    cfg = Config(dict(custom_hooks=[
        dict(type='BaseNewTableHook'),
        dict(type='FeatureStoreHook', root='elsewhere', views=9)]))
    cache_features(cfg, str(tmp_path), views=2)
    assert cfg.custom_hooks == [
        dict(type='BaseNewTableHook'),
        dict(type='FeatureStoreHook', root=str(tmp_path), views=2)]
    cfg = Config(dict())
    cache_features(cfg, str(tmp_path))
    assert [hook.views for hook in cfg.custom_hooks] == [None]


def test_several_data_sets(make, monkeypatch):
    """Each has a file of its own, and no image is encoded again."""
    others = dict(clean=dict(type='DrawnShapes', style='clean', indices=40))
    options = {'test_cfg.type': 'MultiDatasetTestLoop',
               'test_cfg.datasets': others}
    expected = Runner.from_cfg(make('plain', False, **options)).test()
    assert expected['clean/base_new/base_total'] == 40
    for name in ('first', 'second'):
        runner = Runner.from_cfg(make(name, 0, **options))
        assert runner.test() == expected
        assert all(isinstance(loader.dataset, StoredFeatures)
                   for loader, _ in runner.test_loop.parts.values())
        monkeypatch.setattr(FrozenCLIP, 'encode_image', None)
