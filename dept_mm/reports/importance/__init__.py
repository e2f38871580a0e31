"""Channel importance: how much each feature channel matters to base and to new
classes.

DePT's paper uses it to show that prompt tuning biases channels towards base
classes.
"""
from dept_mm.reports.importance.formula import (
    compute_channel_ratios,
    sum_windows,
)
from dept_mm.reports.importance.hook import ChannelImportanceHook
from dept_mm.reports.importance.output import (
    Importance,
    draw,
    format_report,
    load,
    save,
)

__all__ = [
    'ChannelImportanceHook', 'Importance', 'compute_channel_ratios', 'draw',
    'load', 'format_report', 'save', 'sum_windows'
]
