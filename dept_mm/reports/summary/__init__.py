"""Tables over the results of many runs."""
from dept_mm.reports.summary.plot import plot, plot_curves
from dept_mm.reports.summary.published import dataset_order, published_tables
from dept_mm.reports.summary.render import render
from dept_mm.reports.summary.runs import group
from dept_mm.reports.summary.statistics import Spread, t_quantile
from dept_mm.reports.summary.tables import Table, build_table

__all__ = [
    'Spread', 'Table', 'build_table', 'dataset_order', 'group', 'plot',
    'plot_curves', 'published_tables', 'render', 't_quantile'
]
