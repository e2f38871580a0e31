"""Metrics of image classification, and the files that store results."""
from dept_mm.evaluation.base_new_metric import BaseNewMetric, harmonic_mean
from dept_mm.evaluation.calibration import (
    adaptive_calibration_error,
    expected_calibration_error,
    measure_calibration,
)
from dept_mm.evaluation.multi_label_metric import BaseNewAveragePrecision
from dept_mm.evaluation.predictions import read_predictions
from dept_mm.evaluation.results import (
    HALVES,
    accuracy,
    find_results,
    list_metrics,
    read_result,
    write_result,
)

__all__ = [
    'HALVES', 'BaseNewAveragePrecision', 'BaseNewMetric', 'accuracy',
    'adaptive_calibration_error',
    'expected_calibration_error', 'find_results', 'harmonic_mean',
    'list_metrics', 'measure_calibration', 'read_predictions',
    'read_result', 'write_result'
]
