"""Prompts as modules of tensors: they do not know which model runs them."""
from dept_mm.models.prompt_modules.adept import ADePTPrompt
from dept_mm.models.prompt_modules.decomposed import DecomposedPrompt
from dept_mm.models.prompt_modules.initial import sample_rows
from dept_mm.models.prompt_modules.late import LatePrompt, adaptive_pool
from dept_mm.models.prompt_modules.soft import SoftPrompt

__all__ = [
    'ADePTPrompt', 'DecomposedPrompt', 'LatePrompt', 'SoftPrompt',
    'adaptive_pool', 'sample_rows'
]
