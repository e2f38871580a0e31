"""Say what a config does, without weights, GPU or training.

    python tools/explain.py CONFIG [--classes cat dog ...] [--json]

It prints which tokens each tower sees, what is learned, learning rates over
the epochs, steps, memory, arithmetic and the size of files.
"""
import argparse
import json
import logging

from dept_mm.cli.arguments import add_config_options, load_config, user_errors
from dept_mm.reports.explain import explain, report, stand_in, without_weights


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, fromfile_prefix_chars='@',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME',
        help='class names in place of the data set, which then need not be '
        'there; @FILE reads one name per line')
    parser.add_argument(
        '--images', type=int, default=100, metavar='N',
        help='images per class and split that go with --classes; the config '
        'still draws its shots of them (default: 100)')
    parser.add_argument(
        '--processes', type=int, default=1, metavar='N',
        help='how many would share the training (default: 1)')
    parser.add_argument(
        '--weights', action='store_true',
        help="load the config's CLIP weights; by default they are random, "
        'which changes nothing here')
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.set_defaults(seed=None, work_dir=None, local_rank=0)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    logging.disable(logging.WARNING)  # of building, e.g. of random weights
    cfg = load_config(args)
    if args.classes:
        stand_in(cfg, args.classes, args.images)
    if not args.weights:
        without_weights(cfg)
    facts = explain(cfg, args.processes)
    print(json.dumps(facts, indent=1) if args.json else report(facts))


if __name__ == '__main__':
    with user_errors():
        main()
