"""Heads."""
from dept_mm.models.heads.clip_head import CLIPHead
from dept_mm.models.heads.dept_head import DePTHead

__all__ = ['CLIPHead', 'DePTHead']
