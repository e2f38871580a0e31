"""Metrics of image classification, and the files that store results."""
from dept_mm.evaluation.base_new_metric import BaseNewMetric, harmonic_mean
from dept_mm.evaluation.results import (
    HALVES,
    accuracy,
    find_results,
    list_metrics,
    read_result,
    write_result,
)

__all__ = [
    'HALVES', 'BaseNewMetric', 'accuracy', 'find_results', 'harmonic_mean',
    'list_metrics', 'read_result', 'write_result'
]
