"""Prompt learners, and the prompt modules that some of them consist of."""
from dept_mm.models.prompts.adept import ADePTPrompt
from dept_mm.models.prompts.atprompt import ATPrompt
from dept_mm.models.prompts.base import BasePrompt, TextInput, TokenStates
from dept_mm.models.prompts.clip_lora import CLIPLoRA
from dept_mm.models.prompts.cocoop import CoCoOpPrompt
from dept_mm.models.prompts.coop import CoOpPrompt
from dept_mm.models.prompts.decomposed import DecomposedPrompt
from dept_mm.models.prompts.initial import sample_rows
from dept_mm.models.prompts.ivlp import IVLPPrompt
from dept_mm.models.prompts.late import LatePrompt, adaptive_pool
from dept_mm.models.prompts.maple import MaPLePrompt
from dept_mm.models.prompts.mm_adapter import MultiModalAdapter
from dept_mm.models.prompts.mmrl import MMRLPrompt
from dept_mm.models.prompts.module import PromptModule, check_kind
from dept_mm.models.prompts.soft import SoftPrompt
from dept_mm.models.prompts.tcp import TCPPrompt
from dept_mm.models.prompts.tower_prompts import TowerPrompts
from dept_mm.models.prompts.tuned_blocks import TunedBlocks

__all__ = [
    'ADePTPrompt', 'ATPrompt', 'BasePrompt', 'CLIPLoRA', 'CoCoOpPrompt',
    'CoOpPrompt', 'DecomposedPrompt', 'IVLPPrompt', 'LatePrompt', 'MMRLPrompt',
    'MaPLePrompt', 'MultiModalAdapter', 'PromptModule', 'SoftPrompt',
    'TCPPrompt', 'TextInput', 'TokenStates', 'TowerPrompts', 'TunedBlocks',
    'adaptive_pool', 'check_kind', 'sample_rows'
]
