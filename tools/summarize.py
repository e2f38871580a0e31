"""Print tables of all results below some folders.

    python tools/summarize.py FOLDER ... [--format markdown|csv|latex]
        [--compare-published] [--interval] [--by OPTION] [--choose val]
        [--plot FILE]

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
    parser.add_argument(
        '--interval', action='store_true',
        help='print half the width of the 95 %% interval of the mean '
        '(Student t) instead of the standard deviation; csv has both')
    parser.add_argument(
        '--by', metavar='OPTION',
        help='print a row for each value of this option of the config, such '
        'as model.head.fusion_weight, or of `shots`')
    parser.add_argument(
        '--choose', choices=['val'],
        help='of runs of one config and data set that differ in options, show '
        'those with the best accuracy on validation images (--select val of '
        'tools/train.py)')
    parser.add_argument(
        '--plot', metavar='FILE',
        help='draw base against new accuracy, the metrics of tasks, or curves '
        'over --by')
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
    print(render(tables, args.format, args.interval), end='')
    if args.plot and args.by:
        plot_curves(tables, args.plot, args.by)
    elif args.plot:
        plot_results(tables, args.plot)


if __name__ == '__main__':
    with user_errors():
        main()
