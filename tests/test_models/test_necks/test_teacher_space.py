"""PromptKD's neck, with its head and loss."""
import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

from dept_mm.errors import DeptError
from dept_mm.exchange import load_adapter, write_adapter
from dept_mm.models import (
    CLIPHead,
    PromptedCLIP,
    TeacherDivergenceLoss,
    TeacherSpace,
    UnlabelledHead,
)
from dept_mm.structures import TeacherFeatures, Vocabulary

WIDTH = 24
LOSSES = [dict(type='TeacherDivergenceLoss', temperature=2., loss_weight=3.)]
LEARNER = dict(type='IVLPPrompt', num_text_tokens=0, image_depth=2)


class Fake:
    """A teacher with given outputs for all classes."""
    image = True

    def __init__(self):
        self.text, self.logits = torch.randn(5, WIDTH), torch.randn(4, 5)

    def __call__(self, clip, vocabulary, images):
        rows = vocabulary.base_labels
        return TeacherFeatures(self.text[rows], None, self.logits[:, rows])


@pytest.fixture
def everything(vocabulary):
    """The vocabulary with all classes as base classes."""
    return Vocabulary(vocabulary.names, None, vocabulary.templates)


@pytest.fixture
def config(clip, everything):
    return dict(
        type='ImageClassifier',
        backbone=dict(type='PromptedCLIP', clip=clip, prompt=LEARNER,
                      vocabulary=everything.to_dict()),
        neck=dict(type='TeacherSpace', clip=clip, width=WIDTH,
                  vocabulary=everything.to_dict()),
        head=dict(type='UnlabelledHead', losses=LOSSES))


@pytest.fixture
def student(config):
    """A student with a teacher."""
    model = MODELS.build(config)
    model.backbone.teacher = Fake()
    return model


def test_a_step_by_hand(student, images):
    samples = [DataSample() for _ in images]
    loss, = student.train().loss(images, samples).values()
    feats = student.extract_feat(images)
    assert feats.image.shape == (4, WIDTH)
    assert torch.equal(feats.text, student.backbone.teacher.text)
    own = CLIPHead()(feats).div(2).log_softmax(1)
    other = student.backbone.teacher.logits.div(2).softmax(1)
    expected = 3 * 4 * (other * (other.log() - own)).sum() / 20
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in student.parameters())
    assert student.backbone.prompt.image[1].grad.any()


def test_labels_change_nothing(student, images):
    student.train()
    plain, labelled = (
        student.loss(images, [sample for _ in images])['loss_term0']
        for sample in (DataSample(), DataSample().set_gt_label(4)))
    assert torch.equal(plain, labelled)


def test_a_trained_student_needs_no_teacher(student, config, clip, images,
                                            tmp_path):
    """Its checkpoint and its adapter hold the texts of the classes."""
    student.train().loss(images, [DataSample()] * 4)
    path = tmp_path / 'student.safetensors'
    config['backbone']['teacher'] = dict(type='TunedTeacher',
                                         adapter='nowhere.safetensors')
    write_adapter(path, student.state_dict(), dict(model=config))
    with torch.no_grad():
        expected = student.eval()(images)
        assert torch.equal(load_adapter(path, clip=clip)(images), expected)
    assert len(expected.unique()) == expected.numel()


def test_classes_are_known_by_identity(student, config, everything, images):
    student.train().loss(images, [DataSample()] * 4)
    names = everything.names[:0:-1]  # all but the first, in reverse
    other = MODELS.build(dict(config, neck=dict(
        config['neck'], vocabulary=list(names))))
    load_state_dict(other, student.state_dict(), strict=True)
    scored = [everything.names[i] for i in (2, 4, 1)]
    other.backbone.set_vocabulary(Vocabulary(scored))
    with torch.no_grad():
        torch.testing.assert_close(
            other.eval()(images), student.eval()(images)[:, [2, 4, 1]])


@torch.no_grad()
@pytest.mark.parametrize('change, message', [
    (lambda m: setattr(m.backbone, 'teacher', None), 'TunedTeacher'),
    (lambda m: setattr(m.backbone.teacher, 'text', torch.zeros(5, 7)),
     'width=7'),
    (lambda m: m.backbone.set_vocabulary(
        Vocabulary(('cat', 'newt'))), r"no teacher's texts of \['newt'\]"),
    (lambda m: m.backbone.set_vocabulary(Vocabulary(
        m.backbone.vocabulary.names, ('cat', 'owl', 'bee'))),
     "5 classes, but 3 are trained on.*base_classes='all'")])
def test_what_does_not_fit(student, images, change, message):
    change(student)
    with pytest.raises(DeptError, match=message):
        student.train().extract_feat(images)


def test_more_that_does_not_fit(student, clip, everything, images):
    with pytest.raises(DeptError, match='drop_last=True'):
        student.train().extract_feat(images[:1])
    with pytest.raises(DeptError, match='16 wide.*project=True'):
        TeacherSpace(clip, everything, WIDTH, project=False)
    with pytest.raises(DeptError, match='give losses'):
        UnlabelledHead()
    student.backbone = PromptedCLIP(clip, everything, dict(LEARNER,
                                                           num_text_tokens=2))
    student.backbone.teacher = Fake()
    with pytest.raises(DeptError, match='num_text_tokens=0'):
        student.train().extract_feat(images)


def test_towers_without_tokens(clip_configs, everything):
    with pytest.raises(DeptError, match='has no tokens'):
        PromptedCLIP(clip_configs['resnet'], everything, LEARNER)


def test_without_projection(clip, everything, images):
    """Where both have one width, images may stay as they are."""
    neck = TeacherSpace(clip, everything, project=False).eval()
    feats = PromptedCLIP(clip, everything).eval()(images)
    assert torch.equal(neck(feats).image, feats.image)
    assert not list(neck.parameters())


def test_the_loss_needs_a_tuned_teacher(clip, everything, images):
    feats = PromptedCLIP(clip, everything, teacher=dict(image=True)
                         ).train()(images)
    with pytest.raises(DeptError, match='TunedTeacher'):
        TeacherDivergenceLoss()(feats, CLIPHead()(feats))
