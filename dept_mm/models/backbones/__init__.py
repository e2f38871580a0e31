"""Backbones that register into MMPretrain."""
from dept_mm.models.backbones.prompted_clip import PromptedCLIP

__all__ = ['PromptedCLIP']
