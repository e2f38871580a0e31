"""Tables over the results of many runs."""
from dept_mm.reports.summary.plot import plot, plot_curves
from dept_mm.reports.summary.published import dataset_order, published_tables
from dept_mm.reports.summary.render import format_spread, render
from dept_mm.reports.summary.runs import group
from dept_mm.reports.summary.statistics import Spread, t_quantile
from dept_mm.reports.summary.tables import Table, build_table, summarize

__all__ = [
    'Spread', 'Table', 'build_table', 'dataset_order', 'format_spread',
    'group', 'plot', 'plot_curves', 'published_tables', 'render',
    'summarize', 't_quantile'
]
