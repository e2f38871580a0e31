"""Encode the texts of a class list."""
from dept_mm.models.class_texts.class_sample import ClassSample
from dept_mm.models.class_texts.classifier import TextClassifier
from dept_mm.models.class_texts.frozen import FrozenText
from dept_mm.models.class_texts.sentences import ClassSentences
from dept_mm.models.class_texts.split import in_chunks, over_processes
from dept_mm.models.class_texts.teacher import Teacher, build_teacher
from dept_mm.models.class_texts.tpt import TPT

__all__ = ['TPT', 'ClassSample', 'ClassSentences', 'FrozenText', 'Teacher',
           'TextClassifier', 'build_teacher', 'in_chunks', 'over_processes']
