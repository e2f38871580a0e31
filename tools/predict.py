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

import torch
from _predict import images, texts

import dept_mm
from dept_mm.apis import TunedModel
from dept_mm.cli.arguments import (
    add_model_argument,
    refuse_options,
    user_errors,
)


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
    device = (args.devices or ['cuda:0' if torch.cuda.is_available() else
                               'cpu'])[0]
    return dept_mm.load(*filter(None, (args.config, args.model)), clip=clip,
                        lm=args.lm, device=device)


def main() -> int:
    args = parse_args()
    model = load_model(args)
    if isinstance(model, TunedModel):
        refuse_options(args, args.of_kind[texts], 'model of images')
        args.devices = args.devices or [
            f'cuda:{i}' for i in range(torch.cuda.device_count())] or ['cpu']
        return images.run(model, args)
    refuse_options(args, args.of_kind[images], 'language model')
    return texts.run(model, args)


if __name__ == '__main__':
    with user_errors():
        sys.exit(main())
