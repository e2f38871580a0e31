"""Necks: they change the image features, or add a bonus to logits."""
from dept_mm.models.necks.clip_adapter import CLIPAdapter
from dept_mm.models.necks.tda import TDA
from dept_mm.models.necks.teacher_space import TeacherSpace
from dept_mm.models.necks.tip_adapter import TipAdapter

__all__ = ['TDA', 'CLIPAdapter', 'TeacherSpace', 'TipAdapter']
