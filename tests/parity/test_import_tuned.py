"""Public checkpoints of PromptKD and Skip Tuning, converted, give the public
logits.

Their entries are those that make_promptkd.py and make_skip_tuning.py have
seen.
"""
import json

import numpy as np
import pytest
import torch
from make_methods import SALT, make_images
from make_promptkd import (
    TEACHER,
    TEACHER_SALT,
    TEACHER_WIDTH,
    running_value,
)
from make_skip_tuning import FIRST, TUNED
from mmengine.config import Config
from reference_clip import (
    ARCHITECTURE,
    BASE,
    NEW,
    REFERENCE,
    frozen_value,
    reference_clip,
    trainable_value,
    write_clip,
)
from saved_entries import rebuild_entries
from test_methods import TEMPLATE, close
from test_promptkd import wider

from dept_mm.errors import DeptError
from dept_mm.exchange import import_checkpoint, load_adapter
from dept_mm.models.clip import build_clip

STATISTICS = 'VPT_image_trans.conv1.1.'
NECK = dict(type='TeacherSpace', width=TEACHER_WIDTH)
IVLP = dict(type='IVLPPrompt', image_depth=3)


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    """The CLIPs of student and teacher, as folders."""
    own, wide = (tmp_path_factory.mktemp(name) for name in ('own', 'wide'))
    configs = write_clip(own, SALT), dict(name=f'local-dir:{wide}')
    torch.save(wider(reference_clip(SALT)).model.state_dict(),
               wide / 'open_clip_pytorch_model.bin')
    (wide / 'open_clip_config.json').write_text(json.dumps(dict(
        model_cfg=dict(ARCHITECTURE, embed_dim=TEACHER_WIDTH,
                       custom_text=True),
        preprocess_cfg=dict(mean=[.5] * 3, std=[.5] * 3))))
    shared = [build_clip(config) for config in configs]  # read once
    yield configs
    del shared


def run(state, out, model, clip):
    """Write a checkpoint and import it."""
    source = out.with_suffix('.tar')
    torch.save(dict(state_dict=state, epoch=1), source)
    vocabulary = dict(names=BASE + NEW, templates=TEMPLATE)
    model = dict(dict(type='ImageClassifier', head=dict(type='CLIPHead')),
                 **model)
    model['backbone'] = dict(type='PromptedCLIP', clip=clip,
                             vocabulary=vocabulary, **model['backbone'])
    if 'neck' in model:
        model['neck'] = dict(model['neck'], clip=clip, vocabulary=vocabulary)
    return '\n'.join(import_checkpoint(source, out, Config(
        dict(model=model))))


def read(name, more=()):
    """Return reference outputs, and the entries of the checkpoint."""
    with np.load(REFERENCE / f'method_{name}.npz') as file:
        expected = {key: file[key] for key in file.files}
    known = reference_clip(SALT).model.state_dict() | dict(more)
    for source, shape in json.loads(expected['saved'].item()).values():
        if source.startswith(TUNED):
            known[source] = torch.from_numpy(frozen_value(
                source.removeprefix(TUNED), shape, SALT + TUNED))
    return expected, rebuild_entries(expected, known, SALT)


def check_logits(path, clip, expected, prefix=''):
    with torch.no_grad():
        logits = load_adapter(path, BASE + NEW, clip=clip)(make_images()[0])
    for half, columns in (('base', slice(5)), ('new', slice(5, 10))):
        close(logits[:, columns], torch.from_numpy(
            expected[f'{prefix}logits_{half}']), 1e-4)


@pytest.fixture(scope='module')
def teacher(clips, tmp_path_factory):
    """The public checkpoint of PromptKD's teacher, imported."""
    path = tmp_path_factory.mktemp('teacher') / 'teacher.safetensors'
    state = {key: trainable_value(TEACHER_SALT + key, shape)
             for key, shape in TEACHER.items()}
    run(state, path, dict(backbone=dict(prompt=dict(IVLP, text_depth=3))),
        clips[1])
    return dict(type='TunedTeacher', adapter=str(path), clip=clips[1])


@pytest.fixture
def student():
    """Reference outputs of PromptKD, and entries of its checkpoint."""
    shapes = dict(running_mean=(TEACHER_WIDTH, ),
                  running_var=(TEACHER_WIDTH, ))
    statistics = {STATISTICS + key: running_value(STATISTICS + key, shape)
                  for key, shape in shapes.items()}
    count = {STATISTICS + 'num_batches_tracked': torch.tensor(0)}
    return read('promptkd', statistics | count)


def distilled(teacher, **neck):
    return dict(head=dict(type='UnlabelledHead', losses=[
                    dict(type='TeacherDivergenceLoss')]),
                neck=dict(NECK, **neck),
                backbone=dict(prompt=dict(IVLP, num_text_tokens=0),
                              teacher=teacher))


def test_a_student_gets_texts_of_its_teacher(clips, teacher, student,
                                             tmp_path):
    expected, state = student
    out = tmp_path / 'x.safetensors'
    report = run(state, out, distilled(teacher), clips[0])
    assert 'texts of 10 classes from the teacher' in report
    assert 'not checked: class names' in report
    assert 'entries of the frozen CLIP' in report
    check_logits(out, clips[0], expected)


@pytest.mark.parametrize('change, culprit', [
    (lambda model, state: model['backbone'].update(
        teacher=dict(type='TunedTeacher')), 'import the .* teacher first'),
    (lambda model, state: model['backbone'].update(teacher=dict()),
     'import the .* teacher first'),
    (lambda model, state: model.pop('neck'), 'not explained.*VPT_image'),
    (lambda model, state: state.pop(STATISTICS + 'running_var'),
     "no '.*running_var'"),
])
def test_what_a_student_needs(clips, teacher, student, tmp_path, change,
                              culprit):
    state, out = student[1], tmp_path / 'x.safetensors'
    model = distilled(teacher)
    change(model, state)
    with pytest.raises(DeptError, match=culprit):
        run(state, out, model, clips[0])
    assert not out.exists()


def test_a_teacher_of_another_width(clips, student, tmp_path):
    """Zero-shot CLIP, with features of the student's width."""
    Config(dict(model=dict(
        type='ImageClassifier', head=dict(type='CLIPHead'),
        backbone=dict(type='PromptedCLIP', clip=clips[0],
                      vocabulary=dict(names=BASE + NEW))))).dump(
                          tmp_path / 'teacher.py')
    teacher = dict(type='TunedTeacher', config=str(tmp_path / 'teacher.py'))
    with pytest.raises(DeptError, match='teacher.py are 512 .*width=512'):
        run(student[1], tmp_path / 'x.safetensors', distilled(teacher),
            clips[0])


@pytest.fixture(scope='module')
def tuned():
    """Reference outputs of Skip Tuning, and entries of its checkpoint."""
    return read('skip_tuning')


def test_tuned_blocks(clips, tuned, tmp_path):
    expected, state = tuned
    out = tmp_path / 'x.safetensors'
    report = run(state, out, dict(backbone=dict(prompt=dict(
        type='TunedBlocks', first_block=FIRST + 1))), clips[0])
    learned = sum(np.prod(shape, dtype=int) for source, shape in json.loads(
        expected['saved'].item()).values() if source.startswith(TUNED))
    assert f'taken: {learned} learned values' in report
    check_logits(out, clips[0], expected, 'tuned_')


def test_blocks_that_were_tuned_a_little_are_not_dropped(clips, tuned,
                                                         tmp_path):
    """Though the config says that they stay frozen."""
    state = {key: value for key, value in tuned[1].items()
             if 'embedding' not in key}
    key = f'text_encoder.transformer.resblocks.{FIRST - 1}.mlp.c_fc.weight'
    state[key] = state[key] * 1.002
    with pytest.raises(DeptError, match='1 of .*first_block of TunedBlocks'):
        run(state, tmp_path / 'x.safetensors', dict(backbone=dict(
            prompt=dict(type='TunedBlocks', first_block=FIRST + 1))),
            clips[0])
