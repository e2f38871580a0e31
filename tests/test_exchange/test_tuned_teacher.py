"""A tuned model as a teacher."""
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from torchvision.transforms.functional import normalize

from dept_mm.cli.arguments import cache_features
from dept_mm.errors import DeptError
from dept_mm.exchange import TunedTeacher, write_adapter
from dept_mm.models import PromptedCLIP
from dept_mm.models.clip import build_clip
from dept_mm.structures import ImageFeatures, Vocabulary


@pytest.fixture
def tuned(adapter, clip):
    """The teacher of CoOp+DePT that the adapter holds."""
    return TunedTeacher(str(adapter), clip=clip)


@pytest.fixture
def student(clip, vocabulary, adapter):
    return PromptedCLIP(clip, vocabulary, teacher=dict(
        type='TunedTeacher', adapter=str(adapter), clip=clip)).train()


def test_what_it_gives(student, classifier, images):
    """Texts, images and fused logits of the base classes, of its whole model.
    """
    _, model = classifier
    found = student(images).teacher
    feats = model.extract_feat(images)
    assert torch.equal(found.text, feats.text[:3])
    assert torch.equal(found.image, feats.image)
    assert torch.equal(found.logits, model(images)[:, :3])
    assert not any(t.requires_grad for t in found)
    assert student.eval()(images).teacher is None


def test_it_is_in_no_checkpoint(student, clip, vocabulary):
    plain = PromptedCLIP(clip, vocabulary)
    assert student.state_dict().keys() == plain.state_dict().keys()
    assert not list(student.parameters())


def test_the_start_of_the_student_does_not_depend_on_it(adapter, clip):
    before = torch.get_rng_state()
    TunedTeacher(str(adapter), clip=clip)
    assert torch.equal(torch.get_rng_state(), before)


def test_another_order_of_classes(tuned, clip, vocabulary, images):
    """Classes are found by identity; texts and logits follow the student."""
    names = vocabulary.names[::-1]
    other = Vocabulary(names, names, vocabulary.templates)
    straight = Vocabulary(vocabulary.names, None, vocabulary.templates)
    frozen = build_clip(clip)
    for key in ('text', 'logits'):
        mine, theirs = (getattr(tuned(frozen, v, images), key)
                        for v in (straight, other))
        axis = 0 if key == 'text' else 1
        torch.testing.assert_close(theirs.flip(axis), mine)


def test_other_classes_are_refused(adapter, clip, vocabulary):
    other = Vocabulary((*vocabulary.names, 'a newt'))
    config = dict(type='TunedTeacher', adapter=str(adapter), clip=clip)
    with pytest.raises(DeptError, match=r"\['a newt'\].*other_classes=True"):
        PromptedCLIP(clip, other, teacher=config)
    assert PromptedCLIP(clip, other, teacher=dict(
        config, other_classes=True)).train()(
            torch.zeros(2, 3, 32, 32)).teacher.logits.shape == (2, 6)


@pytest.mark.parametrize('options, message', [
    (dict(adapter='x', config='y'), 'not both'),
    (dict(checkpoint='x.pth'), 'give the config'),
    (dict(config='nowhere.py'), 'no config nowhere.py')])
def test_wrong_options(options, message):
    with pytest.raises(DeptError, match=message):
        TunedTeacher(**options)


@pytest.mark.parametrize('host, head, message', [
    ('CoCoOpPrompt', None, 'depend on the image'),
    ('CoOpPrompt', dict(type='LinearClsHead', num_classes=5, in_channels=16),
     'no classes but those')])
def test_who_cannot_teach(pair_configs, host, head, message):
    config = pair_configs[host, 'CLIPHead']
    model = MODELS.build(dict(config, head=head or config['head']))
    with pytest.raises(DeptError, match=message):
        TunedTeacher().take(model)


def test_without_a_teacher_there_is_no_training(clip, vocabulary, images):
    student = PromptedCLIP(clip, vocabulary, teacher=dict(
        type='TunedTeacher'))
    student.eval()(images)
    with pytest.raises(DeptError, match='teacher.adapter='):
        student.train()(images)


def test_images_must_be_for_it(tuned, clip, vocabulary):
    frozen = build_clip(clip)
    with pytest.raises(DeptError, match='32 x 32 pixels.*TeacherView'):
        tuned(frozen, vocabulary, torch.zeros(1, 3, 48, 48))
    with pytest.raises(DeptError, match='16 numbers .* not what .* gives'):
        tuned(frozen, vocabulary, ImageFeatures(torch.zeros(1, 16)))


def test_images_of_another_normalisation(tuned, clip, vocabulary, images):
    """It sees the pixels that the student sees."""
    own = build_clip(clip)
    other = SimpleNamespace(spec=replace(
        own.spec, mean=(.1, .2, .3), std=(.5, .6, .7)))
    mine, theirs = (
        tuned(student, vocabulary,
              normalize(images.sigmoid(), student.spec.mean,
                        student.spec.std)).logits
        for student in (own, other))
    torch.testing.assert_close(mine, theirs)


def test_config_and_checkpoint(classifier, tmp_path, clip, vocabulary,
                               images):
    config, model = classifier
    path, weights = tmp_path / 'teacher.py', tmp_path / 'x.safetensors'
    path.write_text(f"custom_imports = dict(imports=['dept_mm'])\n"
                    f'model = {config!r}\n')
    write_adapter(weights, model.state_dict(), dict(model=config))
    found = TunedTeacher(config=str(path), checkpoint=str(weights))
    assert torch.equal(
        found(build_clip(clip), vocabulary, images).logits,
        model(images)[:, :3])
    with pytest.raises(DeptError, match='is not trained'):
        TunedTeacher(config=str(path))


@pytest.mark.parametrize('stored', [False, True])
def test_a_run_on_images_without_labels(adapter, clip, small_run, stored,
                                        tmp_path):
    """A student of the drawings keeps texts of all of their classes."""
    cfg = small_run(
        'promptkd/promptkd_vit-base-p16_20e_caltech101-b2n.py',
        dict(dataset='shapes'), **{
            'model.backbone.prompt.image_depth': 2, 'model.neck.width': 16,
            'val_cfg': None, 'val_dataloader': None, 'val_evaluator': None,
            'model.backbone.teacher': dict(
                type='TunedTeacher', adapter=str(adapter), clip=clip,
                other_classes=True)})
    if stored:
        cache_features(cfg, str(tmp_path / 'features'))
    runner = Runner.from_cfg(cfg)
    runner.train()
    data = runner.train_dataloader.dataset
    assert len(data) == 32
    assert 'gt_label' not in data[0]['data_samples']
    model = runner.model
    with torch.no_grad():
        text = model.backbone.teacher.model.backbone.text_features(None)
    torch.testing.assert_close(model.neck.text, text)
    assert len(text) == 32
