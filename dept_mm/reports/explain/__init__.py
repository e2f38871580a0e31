"""What a config does, told without running it."""
from dept_mm.reports.explain._data import stand_in, without_weights
from dept_mm.reports.explain._explain import explain
from dept_mm.reports.explain._report import report

__all__ = ['explain', 'report', 'stand_in', 'without_weights']
