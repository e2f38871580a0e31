"""Check a data set before training on it: counts, files and class names.

    python tools/check_dataset.py NAME_OR_CONFIG [ROOT] [--clip NAME]

NAME is one of configs/_base_/datasets. A config file of your own must define
`dataset`. ROOT replaces its data_root. The exit status is 1 if a fault was
found.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.registry import init_default_scope

from dept_mm.cli.arguments import user_errors
from dept_mm.cli.dataset_file import load_dataset_config
from dept_mm.datasets import FeatureDataset
from dept_mm.datasets.few_shot import SPLITS
from dept_mm.errors import DeptError
from dept_mm.reports import check

DATASETS = Path(__file__).parents[1] / 'configs/_base_/datasets'
SHOWN = 5


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dataset', metavar='NAME_OR_CONFIG')
    parser.add_argument('root', nargs='?',
                        help='folder that replaces data_root')
    parser.add_argument('--clip', metavar='NAME', help='also measure the '
                        'zero-shot accuracy of this CLIP, e.g. '
                        'ViT-B-16-quickgelu or local-dir:FOLDER')
    parser.add_argument('--pretrained', metavar='TAG',
                        help='weights of the CLIP, e.g. openai')
    parser.add_argument('--images', type=int, default=2000,
                        help='number of test images for --clip (default: '
                        '%(default)s)')
    parser.add_argument('--no-files', action='store_true',
                        help='do not decode the images')
    return parser.parse_args()


def print_findings(what: str, found: Sequence[str], faulty: bool = True
                   ) -> bool:
    """Print the first few findings, and return whether there is a fault."""
    if found:
        more = f' and {len(found) - SHOWN} more' if len(found) > SHOWN else ''
        print(f'{"FAULT" if faulty else "note"}  {len(found)} {what}: '
              f'{", ".join(map(repr, found[:SHOWN]))}{more}')
    return bool(found) and faulty


def print_counts(found: dict[str, int], expected: dict[str, int]) -> bool:
    """Print the counts, and return whether one is not as expected."""
    wrong = False
    for key, number in found.items():
        known = expected.get(key)
        wrong |= known not in (None, number)
        mark = '' if known is None else (
            'ok' if known == number else f'FAULT  expected {known}')
        print(f'{key:<10}{number:>10}  {mark}'.rstrip())
    return wrong


def print_zero_shot(cfg: dict, args: argparse.Namespace, classes: int
                   ) -> None:
    """Print the accuracy of the CLIP without learned prompts."""
    clip = dict(name=args.clip)
    if args.pretrained:
        clip['pretrained'] = args.pretrained
    accuracy, number = check.measure_zero_shot(cfg, clip, args.images)
    chance = 100 / classes
    print(f'zero-shot {accuracy:.2f} % of {number} test images among '
          f'{classes} classes (chance: {chance:.2f} %)')
    if accuracy < 3 * chance:
        print('note  near chance: do class names and template describe the '
              'images, and does the CLIP know such images?')


def main() -> int:
    args = parse_args()
    init_default_scope('mmpretrain')
    cfg = load_dataset_config(args.dataset, DATASETS, args.root)
    dataset, splits = check.read_dataset(cfg)
    print(f'{args.dataset}: {dataset.source}')
    wrong = print_counts(check.count_images(dataset, splits),
                         check.read_expected_counts(cfg.get('name', '')))
    wrong |= print_findings('images listed more than once',
                            check.find_repeated(splits))
    if not args.no_files and not isinstance(dataset, FeatureDataset):
        paths = [dataset.item_path(item) for split in SPLITS
                 for item in getattr(splits, split)]
        missing, broken = check.find_faulty_files(paths)
        print(f'{len(paths) - len(missing) - len(broken)} of {len(paths)} '
              'images can be read')
        wrong |= print_findings('files missing', missing)
        wrong |= print_findings('files unreadable', broken)
        if args.clip and (missing or broken):
            raise DeptError('--clip needs all images; repair the files first.')
    for what, names in check.find_odd_names(dataset.vocabulary).items():
        wrong |= print_findings(
            f'class names: {what}', names,
            faulty=what == 'empty' or what.startswith('too long'))
    if args.clip:
        print_zero_shot(cfg, args, len(splits.classes))
    return int(wrong)


if __name__ == '__main__':
    with user_errors():
        sys.exit(main())
