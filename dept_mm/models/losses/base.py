"""What loss terms have in common."""
from __future__ import annotations

from torch import nn

from dept_mm.errors import DeptError
from dept_mm.structures import CLIPFeatures, TeacherFeatures


def taught(loss: nn.Module, feats: CLIPFeatures) -> TeacherFeatures:
    """The frozen CLIP's features that a term compares with.

    Raises:
        DeptError: If the backbone has no teacher.
    """
    if feats.teacher is None:
        raise DeptError(f'{type(loss).__name__} compares with the frozen '
                        'CLIP: give the backbone a teacher=dict().')
    return feats.teacher
