"""Reports of runs and sweeps: one self-contained web page each."""
from dept_mm.reports.html._write import try_report, write_report

__all__ = ['try_report', 'write_report']
