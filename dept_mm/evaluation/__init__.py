"""Metrics."""
from dept_mm.evaluation.base_new_metric import BaseNewMetric, harmonic_mean

__all__ = ['BaseNewMetric', 'harmonic_mean']
