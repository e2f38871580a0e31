"""Tables over all results below some folders.

    python tools/summarize.py FOLDER ... [--format markdown|csv|latex]
        [--compare-published] [--interval] [--by OPTION] [--plot FILE]

One table for each protocol and number of shots, as configs are named
(METHOD_..._DATASET-PROTOCOL): rows are methods, columns data sets. A row
dept-X follows X, with their difference.
"""
import argparse

from dept_mm.cli.arguments import user_errors
from dept_mm.errors import DeptError
from dept_mm.evaluation import find_results
from dept_mm.reports.summary import (
    build_table,
    dataset_order,
    group,
    plot,
    plot_curves,
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
        help='add rows of published tables')
    parser.add_argument(
        '--interval', action='store_true',
        help='half the width of the 95 %% interval of the mean (Student t) '
        'in place of the standard deviation; csv has both')
    parser.add_argument(
        '--by', metavar='OPTION',
        help='a row for each value of this option of the config, e.g. '
        'model.head.fusion_weight, or of `shots`')
    parser.add_argument(
        '--plot', metavar='FILE',
        help='draw base against new accuracy, or with --by curves')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    tables = [
        build_table(*key, methods, dataset_order(), args.compare_published,
                    args.by)
        for key, methods in group(
            find_results(args.folders), args.by).items()]
    if not tables:
        raise DeptError('No run below these folders was evaluated.')
    if args.by and all(row.value is None for t in tables for row in t.rows):
        raise DeptError(f'--by {args.by}: no run has this option in its '
                        'config.')
    print(render(tables, args.format, args.interval), end='')
    if args.plot and args.by:
        plot_curves(tables, args.plot, args.by)
    elif args.plot:
        plot(tables, args.plot)


if __name__ == '__main__':
    with user_errors():
        main()
