"""Use a tuned model: ``predict.py MODEL IMAGES...``, or texts.

    python tools/predict.py mine.safetensors photos/ --out found.csv
    python tools/predict.py work_dirs/NAME a.jpg --classes cat "sea horse"
    python tools/predict.py work_dirs/NAME --calibrate
    python tools/predict.py mine.safetensors a.jpg --coverage 0.9
    python tools/predict.py work_dirs/NAME "A text." --files more.txt

The exit status is 1 if an image could not be read.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from _predict import images, texts

import dept_mm
from dept_mm.apis import TunedModel
from dept_mm.cli.arguments import add_model_argument, user_errors
from dept_mm.errors import DeptError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_argument(parser)
    parser.add_argument(
        'inputs', nargs='*', metavar='INPUT', help='images: files, folders, '
        "patterns such as 'photos/*.jpg', or csv files with a column 'path'; "
        'for a language model: texts')
    parser.add_argument('-k', type=int, default=3, help='classes of each '
                        'image or text (default: %(default)s)')
    parser.add_argument('--out', metavar='FILE',
                        help='write a .csv, .json or .jsonl file')
    parser.add_argument('--config', help='the config of MODEL, where it is '
                        'not beside it; an adapter needs it to --calibrate')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--devices', nargs='+', help='such as cpu, or cuda:0 '
                        'cuda:1 (default: all GPUs, else cpu; one for texts)')
    kinds = {part: part.add_options(parser) for part in (images, texts)}
    args = parser.parse_args()
    args.of_kind = kinds
    return args


def load_model(args: argparse.Namespace):
    """Load the model onto the first device."""
    clip = None
    if args.clip:
        clip = dict(name=args.clip)
        if args.pretrained:
            clip['pretrained'] = args.pretrained
    files = [args.config, args.model] if args.config else [args.model]
    device = (args.devices or ['cuda:0' if torch.cuda.is_available() else
                               'cpu'])[0]
    return dept_mm.load(*files, clip=clip, lm=args.lm, device=device)


def refuse(args: argparse.Namespace, actions: Sequence[argparse.Action],
           kind: str) -> None:
    """Refuse options that a model of this kind does not have."""
    given = [action.option_strings[0] for action in actions
             if getattr(args, action.dest) != action.default]
    if given:
        raise DeptError(f'{", ".join(given)} cannot be given with a {kind}.')


def main() -> int:
    args = parse_args()
    model = load_model(args)
    if isinstance(model, TunedModel):
        refuse(args, args.of_kind[texts], 'model of images')
        args.devices = args.devices or [
            f'cuda:{i}' for i in range(torch.cuda.device_count())] or ['cpu']
        return images.run(model, args)
    refuse(args, args.of_kind[images], 'language model')
    return texts.run(model, args)


if __name__ == '__main__':
    with user_errors():
        sys.exit(main())
