"""Print tables of all results below some folders.

    python tools/summarize.py FOLDER ... [--format markdown|csv|latex]
        [--compare-published] [--interval | --error] [--by OPTION]
        [--choose val] [--plot FILE [--costs]]

There is one table for each protocol and number of shots, with methods as rows
and data sets as columns. Protocol and method are read from the names of the
configs (METHOD_..._DATASET-PROTOCOL). A row dept-X follows the row of its host
X, and a row with their difference follows both.
"""
import argparse
import sys

from dept_mm.cli.arguments import user_errors
from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results
from dept_mm.reports.summary import (
    build_table,
    choose_recipes,
    group_results,
    list_datasets,
    plot_costs,
    plot_curves,
    plot_results,
    render,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='+', metavar='FOLDER')
    parser.add_argument('--format', choices=['markdown', 'csv', 'latex'],
                        default='markdown')
    parser.add_argument(
        '--compare-published', action='store_true',
        help='add the rows of published tables')
    spread = parser.add_mutually_exclusive_group()
    spread.add_argument(
        '--interval', dest='kind', action='store_const', const='interval',
        default='std',
        help='give half the width of the 95 %% interval of the mean (Student '
        't) instead of the standard deviation; csv has both')
    spread.add_argument(
        '--error', dest='kind', action='store_const', const='error',
        help='give the standard error of the mean instead of the standard '
        'deviation')
    parser.add_argument(
        '--by', metavar='OPTION',
        help='print a row for each value of this option of the config, such '
        'as model.head.fusion_weight, or of `shots`')
    parser.add_argument(
        '--choose', choices=['val'],
        help='of runs of one config and data set that differ in options, show '
        'those with the best accuracy on validation data (--select val of '
        'tools/train.py; save_best of language models)')
    parser.add_argument(
        '--plot', metavar='FILE',
        help='draw base against new accuracy, the metrics of tasks, or curves '
        'over --by')
    parser.add_argument(
        '--costs', action='store_true',
        help='draw the first metric over seconds of training, peak memory and '
        'trained parameters, with a line through the rows that no other beats '
        'in both')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    results = find_results(args.folders)
    if args.choose:
        results, notes = choose_recipes(results)
        print(*notes, sep='\n', file=sys.stderr)
    tables = [
        build_table(*key, methods, list_datasets(), args.compare_published,
                    args.by)
        for key, methods in group_results(
            results, args.by).items()]
    if not tables:
        raise DeptError('No run below these folders was evaluated.')
    if args.by and all(row.value is None for t in tables for row in t.rows):
        raise DeptError(f'--by {args.by}: no run has this option in its '
                        'config.')
    print(render(tables, args.format, args.kind), end='')
    if args.plot and args.costs:
        plot_costs(tables, args.plot, args.kind)
    elif args.plot and args.by:
        plot_curves(tables, args.plot, args.by, args.kind)
    elif args.plot:
        plot_results(tables, args.plot, args.kind)


if __name__ == '__main__':
    with user_errors():
        main()
