"""Tables and plots that summarize the results of many runs."""
from dept_mm.reports.summary.choose import choose_recipes
from dept_mm.reports.summary.pareto import plot_costs
from dept_mm.reports.summary.plot import plot_curves, plot_results
from dept_mm.reports.summary.published import (
    list_datasets,
    load_published_tables,
)
from dept_mm.reports.summary.render import format_spread, render
from dept_mm.reports.summary.runs import group_results
from dept_mm.reports.summary.statistics import (
    Spread,
    compute_t_quantile,
    compute_wilson_interval,
)
from dept_mm.reports.summary.tables import Table, build_table, summarize

__all__ = [
    'Spread', 'Table', 'build_table', 'choose_recipes', 'compute_t_quantile',
    'compute_wilson_interval', 'format_spread', 'group_results',
    'list_datasets', 'load_published_tables', 'plot_costs', 'plot_curves',
    'plot_results', 'render', 'summarize'
]
