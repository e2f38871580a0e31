"""A report on what a config does, made without training or weights."""
from dept_mm.reports.explain._data import (
    replace_datasets,
    use_random_weights,
)
from dept_mm.reports.explain._explain import explain
from dept_mm.reports.explain._report import format_report

__all__ = [
    'explain', 'format_report', 'replace_datasets', 'use_random_weights'
]
