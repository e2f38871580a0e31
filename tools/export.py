"""Export a tuned model: ``export.py MODEL OUT``."""
import argparse
from collections.abc import Mapping
from pathlib import Path

import dept_mm
from dept_mm.apis import TunedModel
from dept_mm.cli.arguments import (
    add_model_argument,
    refuse_options,
    user_errors,
)
from dept_mm.errors import DeptError
from dept_mm.export import (
    Score,
    export_language_model,
    export_model,
    score_files,
    score_language_files,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write a tuned model for runtimes without Python, and '
        'check it against PyTorch')
    add_model_argument(parser)
    parser.add_argument(
        'out', type=Path, help='folder for model.onnx, model.json etc.')
    add = parser.add_argument
    of_images = [
        add('--format', default='onnx',
            choices=['onnx', 'torchscript', 'openvino'],
            help='default: %(default)s'),
        add('--with-preprocessing', action='store_true', help='let the graph '
            'take bytes of images of any size, (B, H, W, 3)'),
        add('--open-vocabulary', action='store_true', help='also write the '
            'text side, which scores new class names'),
        add('--int8', action='store_true', help='also write the model with '
            'weights in int8, and measure what that costs')]
    parser.add_argument(
        '--test', action='store_true',
        help="also compare on all test images or texts of the model's "
        'config; --int8 does so, too')
    parser.add_argument(
        '--lm', metavar='NAME', help='the language model, where an adapter '
        'gives a place instead of a name')
    args = parser.parse_args()
    args.of_images = of_images
    return args


def main() -> None:
    args = parse_args()
    model = dept_mm.load(args.model, lm=args.lm)
    is_text = not isinstance(model, TunedModel)
    if is_text:
        refuse_options(args, args.of_images, 'language model, which becomes '
                       'ONNX in fp32')
        out = export_language_model(model, args.out, source=args.model)
    else:
        out = export_model(
            model, args.out, args.format, args.with_preprocessing,
            args.open_vocabulary, args.int8, source=args.model)
    for name, size in out.sizes.items():
        note = (f', differs from PyTorch by {out.differences[name]:.1e}'
                if name in out.differences else '')
        print(f'{args.out / name}: {size:,} bytes{note}')
    if out.resized is not None:
        print('Preparing images in the graph changes probabilities by up to '
              f'{out.resized:.1e} (on drawn images that it resizes).')
    if is_text and args.test:
        print_scores('texts', *score_language_files(model, out.runs))
    elif args.int8 or args.test:
        report_scores(model, out, args)


def report_scores(model, out, args: argparse.Namespace) -> None:
    """Print how the files do on the test images."""
    try:
        count, scores = score_files(model, out.runs, args.with_preprocessing)
    except DeptError as error:
        if args.test:
            raise
        print(f'What int8 costs in accuracy was not measured. {error}')
        return
    print_scores('images', count, scores)


def print_scores(what: str, count: int, scores: Mapping[str, Score]) -> None:
    """Print how files do."""
    print(f'Top-1 on {count:,} test {what}, all classes at once:')
    for name, score in scores.items():
        print(f'  {name:16} {100 * score.right / count:6.2f} %, same class '
              f'as PyTorch on {score.same:,}, probabilities differ by up to '
              f'{score.largest:.1e}')


if __name__ == '__main__':
    with user_errors():
        main()
