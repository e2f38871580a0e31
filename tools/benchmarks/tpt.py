"""Time TPT for one test image against the plain way of computing it.

    python tools/benchmarks/tpt.py [--clip local-dir:FOLDER] [--classes 100]
        [--images 4] [--views 64] [--threads 2] [--cpu-time] [--quick]

Both take one step on the words "a photo of a" and then encode the texts. The
plain way is that of the public code: for each image, all 77 positions of all
sentences go through all blocks, in the step and after it. The image tower,
which both run on the views, is timed by itself. Views are noise; both ways
must give the same texts.
"""
from __future__ import annotations

import argparse
from functools import partial

import torch
from _benchmark.measure import add_clock, choose_clock
from _benchmark.plain import PlainBackbone
from torch import Tensor

from dept_mm.models import PromptedCLIP
from dept_mm.models.class_texts import TPT


def plain(backbone: PromptedCLIP, views: Tensor) -> Tensor:
    """Tune on one image after the other; texts ``(B, C, D)``."""
    encode = partial(PlainBackbone(backbone).text, views[:, 0])
    return torch.cat([
        TPT().tune(backbone.prompt, encode, image[None],
                   backbone.clip.logit_scale) for image in views])


def ours(backbone: PromptedCLIP, views: Tensor) -> Tensor:
    """Tune on the images of a batch; texts ``(B, C, D)``."""
    return TPT().tune(backbone.prompt,
                      partial(backbone.text_features, views[:, 0]), views,
                      backbone.clip.logit_scale)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clip', default='ViT-B-16-quickgelu')
    parser.add_argument('--classes', type=int, default=100)
    parser.add_argument('--images', type=int, default=4, help='of a batch')
    parser.add_argument('--views', type=int, default=64)
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--quick', action='store_true',
                        help='one image, few views: does it run?')
    add_clock(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    clock = choose_clock(args)
    if args.quick:
        args.classes, args.images, args.views = 3, 1, 2
    torch.manual_seed(0)
    backbone = PromptedCLIP(
        dict(name=args.clip, pretrained='random'),
        [f'thing {i}' for i in range(args.classes)],
        dict(type='CoOpPrompt', words='a photo of a')).eval()
    spec = backbone.clip.spec
    views = torch.randn(args.images, args.views, spec.embed_dim)
    found, seconds = [], []
    for way in (plain, ours):
        way(backbone, views[:1])
        start = clock()
        found.append(way(backbone, views))
        seconds.append((clock() - start) / args.images)
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3)
    images = torch.randn(args.views, 3, spec.image_size, spec.image_size)
    with torch.no_grad():
        start = clock()
        backbone.clip.encode_image(images)
        tower = clock() - start
    print('seconds per image')
    print(f'  texts, plain      {seconds[0]:8.3f}')
    print(f'  texts             {seconds[1]:8.3f}  '
          f'{seconds[0] / seconds[1]:.1f} times faster')
    print(f'  {args.views} views, both    {tower:8.3f}')


if __name__ == '__main__':
    main()
