"""Adapters: necks that change the features of the image tower."""
from dept_mm.models.necks.clip_adapter import CLIPAdapter
from dept_mm.models.necks.tip_adapter import TipAdapter

__all__ = ['CLIPAdapter', 'TipAdapter']
