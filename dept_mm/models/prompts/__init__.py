"""Prompt learners, one file each."""
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.coop import CoOpPrompt

__all__ = ['BasePrompt', 'CoOpPrompt', 'TextInput']
