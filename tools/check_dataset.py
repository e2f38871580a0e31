"""Look at a data set before training on it.

    python tools/check_dataset.py NAME_OR_CONFIG [ROOT] [--clip NAME]

NAME is one of configs/_base_/datasets; a config file needs a `dataset`. ROOT
replaces its data_root. The exit status is 1 if something has to be mended.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

from dept_mm.cli.arguments import user_errors
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
    parser.add_argument('root', nargs='?', help='data_root')
    parser.add_argument('--clip', metavar='NAME', help='measure this CLIP '
                        'without prompts, e.g. ViT-B-16-quickgelu or '
                        'local-dir:FOLDER')
    parser.add_argument('--pretrained', metavar='TAG',
                        help='weights of the CLIP, e.g. openai')
    parser.add_argument('--images', type=int, default=2000,
                        help='test images for --clip (default: %(default)s)')
    parser.add_argument('--no-files', action='store_true',
                        help='do not decode the images')
    return parser.parse_args()


def load(name: str, root: str | None) -> dict:
    """Config of the data set.

    Raises:
        DeptError: If there is none.
    """
    path = Path(name)
    if path.suffix != '.py':
        path = DATASETS / f'{name}.py'
    if not path.is_file():
        known = sorted(p.stem for p in DATASETS.glob('*.py'))
        raise DeptError(f'{name!r} is neither a config file nor one of '
                        f'{known}.')
    dataset = Config.fromfile(path).get('dataset')
    if dataset is None:
        raise DeptError(f"{path} has no 'dataset'.")
    return dict(dataset, data_root=root) if root else dict(dataset)


def show(what: str, found: Sequence[str], faulty: bool = True) -> bool:
    """Print some of what was found; whether it is a fault."""
    if found:
        more = f' and {len(found) - SHOWN} more' if len(found) > SHOWN else ''
        print(f'{"FAULT" if faulty else "note"}  {len(found)} {what}: '
              f'{", ".join(map(repr, found[:SHOWN]))}{more}')
    return bool(found) and faulty


def show_counts(found: dict[str, int], expected: dict[str, int]) -> bool:
    """Print the counts; whether one is another than expected."""
    wrong = False
    for key, number in found.items():
        known = expected.get(key)
        wrong |= known not in (None, number)
        mark = '' if known is None else (
            'ok' if known == number else f'FAULT  expected {known}')
        print(f'{key:<10}{number:>10}  {mark}'.rstrip())
    return wrong


def show_zero_shot(cfg: dict, args: argparse.Namespace, classes: int
                   ) -> None:
    """Print the accuracy of the CLIP as it is."""
    clip = dict(name=args.clip)
    if args.pretrained:
        clip['pretrained'] = args.pretrained
    accuracy, number = check.zero_shot_accuracy(cfg, clip, args.images)
    chance = 100 / classes
    print(f'zero-shot {accuracy:.2f} % of {number} test images among '
          f'{classes} classes (chance: {chance:.2f} %)')
    if accuracy < 3 * chance:
        print('note  near chance: are class names and template those of the '
              'images, and does the CLIP know such images?')


def main() -> int:
    args = parse_args()
    init_default_scope('mmpretrain')
    cfg = load(args.dataset, args.root)
    dataset, splits = check.read_dataset(cfg)
    print(f'{args.dataset}: {dataset.source}')
    wrong = show_counts(check.counts(dataset, splits),
                        check.expected_counts(cfg.get('name', '')))
    wrong |= show('images listed more than once', check.overlaps(splits))
    if not args.no_files:
        paths = [dataset.item_path(item) for split in SPLITS
                 for item in getattr(splits, split)]
        missing, broken = check.faulty_files(paths)
        print(f'{len(paths) - len(missing) - len(broken)} of {len(paths)} '
              'images can be read')
        wrong |= show('files missing', missing)
        wrong |= show('files unreadable', broken)
        if args.clip and (missing or broken):
            raise DeptError('--clip needs all images; mend the files first.')
    for what, names in check.odd_names(dataset.vocabulary).items():
        wrong |= show(f'class names: {what}', names,
                      what == 'empty' or what.startswith('too long'))
    if args.clip:
        show_zero_shot(cfg, args, len(splits.classes))
    return int(wrong)


if __name__ == '__main__':
    with user_errors():
        sys.exit(main())
