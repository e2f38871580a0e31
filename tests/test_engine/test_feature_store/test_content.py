"""What is stored where something learned enters the image tower."""
import pytest
import torch
from mmengine.runner import Runner
from safetensors.torch import load_file
from stored_runs import EPOCHS, assert_equal, train

from dept_mm.datasets import EpochIndex, LoadRGBImage
from dept_mm.exchange import TunedTeacher, tuned_teacher, write_adapter
from dept_mm.models.class_texts.teacher import Teacher
from dept_mm.models.clip.image_tower import ImageTower
from dept_mm.registry import MODELS
from dept_mm.structures import Views


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
    # Each image that a TunedTeacher looks at goes through this.
    monkeypatch.setattr(tuned_teacher, '_renormalise', lambda *_: 1 / 0)
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
