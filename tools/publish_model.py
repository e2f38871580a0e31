"""Turn a checkpoint into an adapter: ``publish_model.py CHECKPOINT OUT``."""
import argparse

from dept_mm.apis import publish
from dept_mm.cli.arguments import user_errors


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Write what a checkpoint has learned, and what is needed '
        'to use it, as an adapter (a .safetensors file)')
    parser.add_argument(
        'in_file', help='checkpoint (.pth), or the work dir of a run, whose '
        'chosen epoch is taken, else the last one')
    parser.add_argument(
        'out_file', help='adapter to write; the date and a hash are added '
        'to its name')
    parser.add_argument(
        '--no-ema',
        action='store_true',
        help='use the weights themselves, not their moving average')
    args = parser.parse_args()
    path = publish(args.in_file, args.out_file, not args.no_ema)
    print(f'{path}: {path.stat().st_size:,} bytes')


if __name__ == '__main__':
    with user_errors():
        main()
