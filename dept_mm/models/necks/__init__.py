"""Adapters: necks that change what the image tower gives."""
from dept_mm.models.necks.clip_adapter import CLIPAdapter
from dept_mm.models.necks.tip_adapter import TipAdapter

__all__ = ['CLIPAdapter', 'TipAdapter']
