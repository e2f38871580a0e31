"""Show which parts of an image speak for a class.

    python tools/saliency.py work_dirs/NAME photo.jpg --class cat --out cat.png

The picture has the image as the model sees it, and beside it the same with
what speaks for the class in red. This needs the package grad-cam:
pip install "grad-cam>=1.4,<1.5"
"""
import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from dept_mm.apis import load_classifier
from dept_mm.cli.arguments import add_model_argument, user_errors
from dept_mm.reports.saliency import explain_image


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_argument(parser)
    parser.add_argument('image', metavar='IMAGE')
    parser.add_argument('--class', dest='name', metavar='NAME', help='a class,'
                        ' known or new (default: the likeliest)')
    parser.add_argument('--out', metavar='FILE', type=Path, help='the picture '
                        '(default: saliency_IMAGE.png in this folder)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    found = explain_image(load_classifier(args.model), args.image, args.name)
    out = args.out or Path(f'saliency_{Path(args.image).stem}.png')
    Image.fromarray(np.hstack([found.image, found.overlay])).save(out)
    print(f'{found.name} {100 * found.probability:.1f} %: {out}')


if __name__ == '__main__':
    with user_errors():
        main()
