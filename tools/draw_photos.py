"""Draw stand-ins for photos: one folder of images for each class.

    python tools/draw_photos.py OUT [NAME ...] [--images N]

NAME is one of the classes of ``configs/_base_/datasets/shapes.py``, such as
"striped orange star"; by default, the first eight are drawn.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from dept_mm.cli.arguments import user_errors
from dept_mm.datasets.drawings import HELD_OUT
from dept_mm.datasets.drawn_shapes import draw_key
from dept_mm.errors import DeptError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', type=Path)
    parser.add_argument('names', nargs='*', metavar='NAME',
                        default=HELD_OUT[:8])
    parser.add_argument('--images', type=int, default=40,
                        help='images of each class (default: %(default)s)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for name in args.names:
        if name not in HELD_OUT:
            raise DeptError(f'{name!r} cannot be drawn; the classes are '
                            f'{", ".join(HELD_OUT)}.')
        folder = args.out / name
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(args.images):
            image = Image.fromarray(draw_key(f'{name}/photo/{i:04d}'))
            image.save(folder / f'{i:04d}.png')
    print(f'{args.images} images of each of {len(args.names)} classes: '
          f'{args.out}')


if __name__ == '__main__':
    with user_errors():
        main()
