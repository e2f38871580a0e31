"""Classify images: ``predict.py MODEL IMAGES...``.

    python tools/predict.py mine.safetensors photos/ --out found.csv
    python tools/predict.py work_dirs/NAME a.jpg --classes cat "sea horse"
    python tools/predict.py work_dirs/NAME --calibrate
    python tools/predict.py mine.safetensors a.jpg --coverage 0.9

The exit status is 1 if an image could not be read.
"""
from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

import dept_mm
from dept_mm.apis import (
    Rules,
    TunedModel,
    Unreadable,
    calibrate,
    find_images,
    keep_calibration,
    predict_each,
)
from dept_mm.cli.arguments import add_model_argument, user_errors
from dept_mm.cli.progress import show_progress
from dept_mm.errors import DeptError
from dept_mm.evaluation.conformal import SET_SCORES
from dept_mm.evaluation.none_of_these import KNOWN_SCORES
from dept_mm.reports.predictions import PredictionFile, format_prediction
from dept_mm.utils.files import read_lines
from dept_mm.utils.machine import num_cores

FEW = 100  # images that are read before workers have started
WIDEST = 40  # characters of a path or a name that all rows leave room for


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_argument(parser)
    parser.add_argument(
        'images', nargs='*', metavar='IMAGES', help='files, folders, patterns '
        "such as 'photos/*.jpg', or csv files with a column 'path'")
    parser.add_argument('-k', type=int, default=3, help='classes of each '
                        'image (default: %(default)s)')
    parser.add_argument('--classes', nargs='+', default=[], metavar='NAME',
                        help='score these classes, known or new')
    parser.add_argument('--classes-file', metavar='FILE',
                        help='score the classes of a file, one in each line')
    parser.add_argument('--also', action='store_true', help='score the '
                        "model's own classes beside those")
    parser.add_argument('--threshold', type=float, metavar='P', help="say "
                        "'none of these' where no class has this probability")
    parser.add_argument('--coverage', type=float, metavar='P', help='instead '
                        'of -k classes, name those among which the true one '
                        'is with this probability (trained classes, '
                        'calibrated models)')
    parser.add_argument('--sets', choices=SET_SCORES, default='aps',
                        help='how --coverage chooses: aps, or lac for sets '
                        'that are smaller on average')
    parser.add_argument('--unknown', choices=KNOWN_SCORES, help="say 'none of "
                        "these' by this score (calibrated models)")
    parser.add_argument('--accept', type=float, default=.95, metavar='P',
                        help='share of images of trained classes that '
                        '--unknown leaves (default: %(default)s)')
    parser.add_argument('--out', metavar='FILE',
                        help='write a .csv, .json or .jsonl file')
    parser.add_argument('--calibrate', action='store_true', help='fit a '
                        'temperature and limits on validation images first, '
                        'and keep them in the adapter, or in a new one of a '
                        'checkpoint')
    parser.add_argument('--distance-aware', action='store_true', help='with '
                        '--calibrate, be less sure of new classes that tuning '
                        'has moved away from the trained ones')
    parser.add_argument('--config', help='the config of MODEL, where it is '
                        'not beside it; an adapter needs it to --calibrate')
    parser.add_argument('--clip', metavar='NAME', help='the CLIP, where an '
                        'adapter gives a place instead of a name')
    parser.add_argument('--pretrained', metavar='TAG', help='weights of '
                        '--clip')
    parser.add_argument('--allow-urls', action='store_true',
                        help='download images given as http addresses')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--workers', type=int, help='processes that read '
                        'images (default: one for each core, if there are '
                        'many images)')
    parser.add_argument('--devices', nargs='+', help='such as cpu, or cuda:0 '
                        'cuda:1 (default: all GPUs, else cpu)')
    return parser.parse_args()


def load_model(args: argparse.Namespace) -> TunedModel:
    """Load the model onto the first device."""
    clip = None
    if args.clip:
        clip = dict(name=args.clip)
        if args.pretrained:
            clip['pretrained'] = args.pretrained
    files = [args.config, args.model] if args.config else [args.model]
    return dept_mm.load(*files, clip=clip, device=args.devices[0])


def calibrate_model(model: TunedModel, args: argparse.Namespace) -> TunedModel:
    """Calibrate, keep that in an adapter, and say what it changes."""
    found = calibrate(model, num_workers=args.workers or 0,
                      distance_aware=args.distance_aware)
    path = keep_calibration(args.model, found)
    print(f'temperature {found.temperature:.3f}, kept in {path}\n'
          f'{found.images} validation images: '
          f'{100 * found.accuracy:.1f} % are classified correctly; the mean '
          f'confidence was {100 * found.raw_confidence:.1f} %, and now is '
          f'{100 * found.confidence:.1f} %')
    return replace(model, **found.kept)


def choose_classes(model: TunedModel, args: argparse.Namespace) -> TunedModel:
    """Let the model score the classes that were asked for."""
    names = list(args.classes)
    if args.classes_file:
        if not Path(args.classes_file).is_file():
            raise DeptError(f'--classes-file {args.classes_file}: there is no '
                            'such file.')
        names += filter(None, read_lines(args.classes_file))
    if names:
        if args.coverage or args.unknown:
            print('note: --coverage and --accept hold for images of the '
                  'classes that the model was calibrated on, not for other '
                  'names', file=sys.stderr)
        return model.with_classes(names, also=args.also)
    if args.also or args.classes_file:
        raise DeptError('There are no class names: give --classes NAME ..., '
                        'or a --classes-file with one in each line.')
    return model


def predict_all(model: TunedModel, images: list[str],
                args: argparse.Namespace) -> list[Unreadable]:
    """Print or write all predictions; return the images without one."""
    workers = args.workers
    if workers is None:
        workers = num_cores() if len(images) > FEW else 0
    rules = Rules(args.threshold, args.coverage, args.sets, args.unknown,
                  args.accept)
    answers = predict_each(
        model, images, args.k, rules, args.batch_size,
        num_workers=workers, more_devices=args.devices[1:],
        allow_urls=args.allow_urls)
    unreadable, widths = [], [min(max(map(len, texts)), WIDEST)
                              for texts in (images, model.classes)]
    with (PredictionFile(args.out, min(args.k, len(model.classes)),
                         args.coverage is not None)
          if args.out else nullcontext()) as file:
        for found in show_progress(answers, len(images)):
            if file:
                file.add(found)
            if isinstance(found, Unreadable):
                unreadable.append(found)
            elif not file:
                print(format_prediction(found, *widths))
    return unreadable


def main() -> int:
    args = parse_args()
    if not args.images and not args.calibrate:
        raise DeptError('There are no images: give files, folders, patterns '
                        'or csv files.')
    if args.distance_aware and not args.calibrate:
        raise DeptError('--distance-aware is a way to --calibrate; an adapter '
                        'keeps it.')
    args.devices = args.devices or [
        f'cuda:{i}' for i in range(torch.cuda.device_count())] or ['cpu']
    images = (find_images(args.images, args.allow_urls) if args.images
              else [])
    model = load_model(args)
    if args.calibrate:
        model = calibrate_model(model, args)
    if not images:
        return 0
    unreadable = predict_all(choose_classes(model, args), images, args)
    if args.out:
        print(f'{len(images) - len(unreadable)} images classified: {args.out}')
    if unreadable:
        print(f'{len(unreadable)} of {len(images)} images cannot be read:',
              *(f'  {found.reason}' for found in unreadable), sep='\n',
              file=sys.stderr)
    return int(bool(unreadable))


if __name__ == '__main__':
    with user_errors():
        sys.exit(main())
