"""A run with a feature store must be the run without it."""

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from safetensors.torch import load_file

from dept_mm.cli.arguments import cache_features
from dept_mm.datasets import EpochIndex, LoadRGBImage, StoredFeatures
from dept_mm.engine.feature_store import compute
from dept_mm.errors import DeptError
from dept_mm.evaluation import read_result
from dept_mm.exchange import TunedTeacher, write_adapter
from dept_mm.models.class_texts.teacher import Teacher
from dept_mm.models.clip import FrozenCLIP
from dept_mm.models.clip.image_tower import ImageTower
from dept_mm.registry import MODELS
from dept_mm.structures import ImageFeatures, Views

EPOCHS = 3


@pytest.fixture
def make(small_run, clip, tmp_path):
    """A function that gives a config with augmentation, and a store unless
    ``views`` is False."""
    def make(name, views=None, **options):
        cfg = small_run(**{
            'work_dir': str(tmp_path / name), 'train_cfg.max_epochs': EPOCHS,
            'default_hooks.logger.interval': 1,
            'train_dataloader.dataset.pipeline': [
                dict(type='LoadRGBImage'),
                dict(type='CLIPRandomResizedCrop', clip=clip),
                dict(type='RandomFlip', prob=.5, direction='horizontal'),
                dict(type='PackInputs')], **options})
        if views is not False:
            cfg.custom_hooks.append(dict(
                type='FeatureStoreHook', root=str(tmp_path / 'features'),
                views=views))
        return cfg

    return make


def train(cfg):
    """Run; return losses, metrics and what was learned."""
    runner = Runner.from_cfg(cfg)
    runner.train()
    hub = runner.message_hub.log_scalars
    losses = hub['train/loss'].data[0].tolist()
    metrics = {k: v.data[0].tolist() for k, v in hub.items()
               if k.startswith('val/base_new')}
    return losses, metrics, dict(runner.model.named_parameters())


def assert_equal(found, expected):
    assert len(found[0]) == EPOCHS * 4
    assert found[0] == pytest.approx(expected[0], rel=1e-4)
    assert found[1] == expected[1]
    for name, value in expected[2].items():
        torch.testing.assert_close(found[2][name], value, rtol=1e-3,
                                   atol=1e-5)


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


def test_upper_blocks_start_from_hidden_states(make, tmp_path, monkeypatch):
    """The second run looks at no image."""
    options = {'model.backbone.prompt': dict(_delete_=True, type='TunedBlocks',
                                             first_block=2)}
    expected = train(make('without', views=False, **options))
    assert_equal(train(make('first', **options)), expected)
    path, = (tmp_path / 'features').glob('test-*')
    assert load_file(path)['features'].shape == (64, 5, 32)
    monkeypatch.setattr(LoadRGBImage, 'transform', None)
    monkeypatch.setattr(ImageTower, 'below', None)
    assert_equal(train(make('second', **options)), expected)


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


@pytest.fixture
def write_teacher(pair_configs, tmp_path):
    """A function that writes an adapter of CoOp+DePT, each another one."""
    def write(name):
        config = pair_configs['CoOpPrompt', 'DePTHead']
        model = MODELS.build(config)
        torch.nn.init.normal_(model.head.linear.bias)
        path = tmp_path / f'{name}.safetensors'
        write_adapter(path, model.state_dict(), dict(model=config))
        return str(path)

    return write


@pytest.fixture(params=['second view', 'TunedTeacher'])
def taught(request, make, clip, write_teacher):
    """A function that gives the config of a learner of image tokens whose
    teacher looks at the images, or at a view of its own."""
    adapter = write_teacher('teacher')

    def make_taught(name, views=None, **options):
        cfg = make(name, views, **options)
        cfg.model.backbone.prompt = dict(
            type='IVLPPrompt', text_depth=2, image_depth=2)
        cfg.model.backbone.teacher = dict(image=True)
        cfg.model.head.losses = [dict(type='ImageConsistencyLoss')]
        if request.param == 'second view':
            pipeline = cfg.train_dataloader.dataset.pipeline
            pipeline.insert(1, dict(type='TeacherView', transforms=[
                dict(type='CLIPRandomResizedCrop', clip=clip)]))
            pipeline[-1] = dict(type='PackViews')
        else:
            cfg.model.backbone.teacher = dict(
                type='TunedTeacher', adapter=adapter, clip=clip,
                other_classes=True)
            cfg.model.head.losses += [dict(type='TeacherDivergenceLoss')]
        return cfg

    return make_taught


def test_a_teacher_that_looks_at_images(taught, monkeypatch, tmp_path):
    """Its outputs are stored, and images are loaded as without a store."""
    expected = train(taught('without', views=False))
    assert_equal(train(taught('first')), expected)
    names = {path.name[:5] for path in (tmp_path / 'features').iterdir()}
    assert names == {'train'}
    for teacher in Teacher, TunedTeacher:
        monkeypatch.setattr(teacher, 'outputs', lambda *_: 1 / 0)
    assert_equal(train(taught('second', **{
        'train_dataloader.num_workers': 1})), expected)


def test_fewer_views_of_a_teacher(taught):
    """What it gave belongs to the image that is served, in each epoch."""
    runner = Runner.from_cfg(taught('run', views=2))
    runner.train()
    model, loader = runner.model, runner.train_dataloader
    backbone = model.backbone
    for epoch in range(EPOCHS):
        loader.sampler.set_epoch(epoch)
        data = model.data_preprocessor(next(iter(loader)))['inputs']
        again = [loader.dataset.dataset[EpochIndex(i, loader.sampler.seed,
                                                   epoch % 2)]
                 for i in list(loader.sampler)[:loader.batch_size]]
        given = model.data_preprocessor(loader.collate_fn(again))['inputs']
        image, view = given if isinstance(given, Views) else (given, given)
        assert torch.equal(data.image, image)
        torch.testing.assert_close(
            data.teacher.feature, backbone.teacher.outputs(
                backbone.clip, backbone.vocabulary, view))


@pytest.mark.parametrize('taught', ['TunedTeacher'], indirect=True)
def test_another_teacher_has_other_files(taught, tmp_path, write_teacher):
    cfg = taught('run', views=1)
    train(cfg)
    cfg.model.backbone.teacher.adapter = write_teacher('other')
    train(cfg)
    assert len([*(tmp_path / 'features').iterdir()]) == 2


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
