"""Class texts of a teacher, which public checkpoints of students lack."""
from __future__ import annotations

from dataclasses import replace

from mmpretrain.models import ImageClassifier

from dept_mm.errors import DeptError
from dept_mm.exchange.tuned_teacher import TunedTeacher
from dept_mm.models import TeacherSpace

TEXTS = 'neck.text'


def lacks_texts(model: ImageClassifier) -> bool:
    """Tell whether class texts of a teacher belong to a model. PromptKD's
    public code makes them anew in each run, and saves none."""
    return isinstance(model.neck, TeacherSpace)


def take_texts(model: ImageClassifier, source) -> list[str]:
    """Fill in class texts of the config's teacher, if they belong to a model.

    Args:
        model (ImageClassifier): It scores all classes of its neck from now
            on.
        source: The public checkpoint, for messages.

    Returns:
        list[str]: A line that says so.

    Raises:
        DeptError: If there is no teacher, or it is of another width.
    """
    if not lacks_texts(model):
        return []
    neck, backbone = model.neck, model.backbone
    teacher = backbone.teacher
    if not isinstance(teacher, TunedTeacher) or teacher.model is None:
        raise DeptError(
            f"{source} does not hold its teacher's class texts: import the "
            'checkpoint of the teacher first, and give the adapter with '
            '--cfg-options model.backbone.teacher.adapter='
            'TEACHER.safetensors')
    backbone.set_vocabulary(replace(backbone.vocabulary, base=neck.class_ids))
    text = teacher.texts(backbone.clip, backbone.vocabulary)
    if text.shape != neck.text.shape:
        raise DeptError(f'The class texts of the teacher {teacher.name} are '
                        f'{text.shape[1]} wide: set model.neck.width='
                        f'{text.shape[1]}.')
    neck.text.copy_(text)
    return [f'taken: texts of {len(text)} classes from the teacher '
            f'{teacher.name}; the checkpoint does not hold them']
