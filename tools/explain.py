"""Report what a config does, without weights, GPU or training.

    python tools/explain.py CONFIG [--classes cat dog ...] [--json]

It prints which tokens each tower sees, what is learned, the number of steps,
the learning rates over the epochs, memory, arithmetic and the sizes of files.
"""
import argparse
import json
import logging

from dept_mm.cli.arguments import add_config_options, load_config, user_errors
from dept_mm.reports.explain import (
    explain,
    format_report,
    replace_datasets,
    use_random_weights,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, fromfile_prefix_chars='@',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME',
        help='class names to use instead of the data set, which then need not '
        'exist; @FILE reads one name per line')
    parser.add_argument(
        '--images', type=int, default=100, metavar='N',
        help='images per class and split for --classes, from which the config '
        'still draws its shots (default: 100)')
    parser.add_argument(
        '--processes', type=int, default=1, metavar='N',
        help='number of processes that would share the training (default: 1)')
    parser.add_argument(
        '--weights', action='store_true',
        help="load the config's CLIP weights; by default they are random, "
        'which gives the same report')
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.set_defaults(seed=None, work_dir=None, local_rank=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Building the model would warn, for example about random weights.
    logging.disable(logging.WARNING)
    cfg = load_config(args)
    if args.classes:
        replace_datasets(cfg, args.classes, args.images)
    if not args.weights:
        use_random_weights(cfg)
    facts = explain(cfg, args.processes)
    print(json.dumps(facts, indent=1) if args.json else format_report(facts))


if __name__ == '__main__':
    with user_errors():
        main()
