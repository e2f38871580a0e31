"""Probes: classifiers that are fitted on features in seconds."""
from dept_mm.models.probes.base import BaseProbe
from dept_mm.models.probes.gda import GDAProbe

__all__ = ['BaseProbe', 'GDAProbe']
