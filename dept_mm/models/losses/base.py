"""Helpers that several loss terms share."""
from __future__ import annotations

from torch import nn

from dept_mm.errors import DeptError
from dept_mm.structures import CLIPFeatures, TeacherFeatures


def require_teacher(loss: nn.Module, feats: CLIPFeatures) -> TeacherFeatures:
    """Return the features of the frozen CLIP (the teacher), or refuse.

    Args:
        loss (nn.Module): The loss, for the error message.
        feats (CLIPFeatures): Features of a training batch.

    Raises:
        DeptError: If the backbone has no teacher.
    """
    if feats.teacher is None:
        raise DeptError(f'{type(loss).__name__} compares features with the '
                        'frozen CLIP: give the backbone a teacher=dict().')
    return feats.teacher
