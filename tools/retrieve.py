"""Measure how a model finds sentences by images, and images by sentences.

    python tools/retrieve.py work_dirs/NAME captions.csv
    python tools/retrieve.py MODEL dataset_flickr30k.json --images DIR -k 1 5

CAPTIONS is a csv file with the columns path and caption, or a JSON file in
the form of Karpathy's splits. Printed is recall at k: in how many % of the
cases the right answer is among the first k.
"""
from __future__ import annotations

import argparse

from mmengine.registry import init_default_scope

from dept_mm.apis import load_classifier, measure_retrieval, read_captions
from dept_mm.cli.arguments import add_model_argument, user_errors


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_argument(parser)
    parser.add_argument('captions', metavar='CAPTIONS')
    parser.add_argument('--images', metavar='DIR',
                        help='folder of the images (default: that of the '
                        'file)')
    parser.add_argument('--split', default='test', help='images of a JSON '
                        'file (default: %(default)s)')
    parser.add_argument('-k', nargs='+', type=int, default=[1, 5, 10])
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--config', help='the config of MODEL, where it is '
                        'not beside it')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    init_default_scope('mmpretrain')
    model = load_classifier(*filter(None, (args.config, args.model)),
                            device=args.device)
    captions = read_captions(args.captions, args.images, args.split)
    print(f'{len(captions.paths)} images, {len(captions.texts)} sentences')
    found = measure_retrieval(model, captions, args.k, args.batch_size)
    print(f'{"recall in %":16}' + ''.join(f'{f"@{k}":>8}' for k in args.k))
    for way, recall in found.items():
        print(f'{way:16}' + ''.join(f'{recall[k]:8.2f}' for k in args.k))


if __name__ == '__main__':
    with user_errors():
        main()
