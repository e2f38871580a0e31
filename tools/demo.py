"""Write a web page that classifies photos: ``demo.py MODEL FOLDER``."""
import argparse
from pathlib import Path

from dept_mm.apis import load_classifier
from dept_mm.cli.arguments import add_model_argument, user_errors
from dept_mm.export import write_page


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write a web page that classifies photos in the browser, '
        'also among class names that somebody types')
    add_model_argument(parser)
    parser.add_argument('out', type=Path, help='folder of the page')
    parser.add_argument(
        '--runtime', metavar='FILE', help='the package onnxruntime-web, if '
        'npm cannot download it here')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    write_page(load_classifier(args.model), args.out, args.model,
               args.runtime)
    size = sum(p.stat().st_size for p in args.out.rglob('*') if p.is_file())
    print(f'{args.out}: {size / 1e6:.1f} MB. To see it:\n'
          f'  python -m http.server -d {args.out}')


if __name__ == '__main__':
    with user_errors():
        main()
