"""Prompt learners, one file each."""
from dept_mm.models.prompts.base import BasePrompt, TextInput
from dept_mm.models.prompts.cocoop import CoCoOpPrompt
from dept_mm.models.prompts.coop import CoOpPrompt
from dept_mm.models.prompts.ivlp import IVLPPrompt
from dept_mm.models.prompts.maple import MaPLePrompt
from dept_mm.models.prompts.tcp import TCPPrompt
from dept_mm.models.prompts.tower_prompts import TowerPrompts

__all__ = [
    'BasePrompt', 'CoCoOpPrompt', 'CoOpPrompt', 'IVLPPrompt', 'MaPLePrompt',
    'TCPPrompt', 'TextInput', 'TowerPrompts'
]
