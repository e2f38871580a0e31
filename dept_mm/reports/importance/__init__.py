"""How much each feature channel matters to base and to new classes."""
from dept_mm.reports.importance.formula import channel_ratios, window_sums
from dept_mm.reports.importance.hook import ChannelImportanceHook
from dept_mm.reports.importance.output import (
    Importance,
    draw,
    load,
    report,
    save,
)

__all__ = [
    'ChannelImportanceHook', 'Importance', 'channel_ratios', 'draw', 'load',
    'report', 'save', 'window_sums'
]
