"""Known text tasks: those of the papers whose prompts this package has.

Columns and files are those of the published archives, most of whose test
labels are not public. Names on the Hub and sources of sequence-to-sequence
models are those of the public code of Decomposed Prompt Tuning and ADePT.
Templates and label words of MNLI, QNLI, RTE, MRPC, QQP, SST-2, MR, MPQA, Subj
and TREC come from the public code of "Late Prompt Tuning" (Liu et al., 2022);
the others were written for this package.
"""
from dept_mm.language.presets.few_shot import FEW_SHOT
from dept_mm.language.presets.glue import GLUE
from dept_mm.language.presets.others import OTHERS
from dept_mm.language.presets.questions import QUESTIONS
from dept_mm.language.presets.super_glue import SUPER_GLUE

TASKS = {**GLUE, **SUPER_GLUE, **QUESTIONS, **OTHERS, **FEW_SHOT}

__all__ = ['TASKS']
