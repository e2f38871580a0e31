"""Classify images on the command line."""
from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from dept_mm.apis import (
    Rules,
    TunedModel,
    Unreadable,
    calibrate,
    find_images,
    keep_calibration,
    predict_each,
)
from dept_mm.cli.progress import show_progress
from dept_mm.errors import DeptError
from dept_mm.evaluation.conformal import SET_SCORES
from dept_mm.evaluation.none_of_these import KNOWN_SCORES
from dept_mm.reports.predictions import PredictionFile, format_prediction
from dept_mm.utils.files import read_lines
from dept_mm.utils.machine import num_cores

FEW = 100  # images that are read before workers have started
WIDEST = 40  # characters of a path or a name that all rows leave room for


def add_options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Add the options that only images have."""
    add = parser.add_argument_group('images only').add_argument
    return [
        add('--classes', nargs='+', default=[], metavar='NAME',
            help='score these classes, known or new'),
        add('--classes-file', metavar='FILE',
            help='score the classes of a file, one in each line'),
        add('--also', action='store_true', help="score the model's own "
            'classes beside those'),
        add('--threshold', type=float, metavar='P', help="say 'none of "
            "these' where no class has this probability"),
        add('--coverage', type=float, metavar='P', help='instead of -k '
            'classes, name those among which the true one is with this '
            'probability (trained classes, calibrated models)'),
        add('--sets', choices=SET_SCORES, default='aps', help='how '
            '--coverage chooses: aps, or lac for sets that are smaller on '
            'average'),
        add('--unknown', choices=KNOWN_SCORES, help="say 'none of these' by "
            'this score (calibrated models)'),
        add('--accept', type=float, default=.95, metavar='P', help='share of '
            'images of trained classes that --unknown leaves (default: '
            '%(default)s)'),
        add('--calibrate', action='store_true', help='fit a temperature and '
            'limits on validation images first, and keep them in the '
            'adapter, or in a new one of a checkpoint'),
        add('--distance-aware', action='store_true', help='with --calibrate, '
            'be less sure of new classes that tuning has moved away from the '
            'trained ones'),
        add('--clip', metavar='NAME', help='the CLIP, where an adapter gives '
            'a place instead of a name'),
        add('--pretrained', metavar='TAG', help='weights of --clip'),
        add('--allow-urls', action='store_true', help='download images given '
            'as http addresses'),
        add('--workers', type=int, help='processes that read images '
            '(default: one for each core, if there are many images)')]


def run(model: TunedModel, args: argparse.Namespace) -> int:
    """Do what was asked for; return the exit status."""
    if not args.inputs and not args.calibrate:
        raise DeptError('There are no images: give files, folders, patterns '
                        'or csv files.')
    if args.distance_aware and not args.calibrate:
        raise DeptError('--distance-aware is a way to --calibrate; an adapter '
                        'keeps it.')
    images = (find_images(args.inputs, args.allow_urls) if args.inputs
              else [])
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
