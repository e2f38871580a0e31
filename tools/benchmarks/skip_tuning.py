"""Compare steps of Skip Tuning with those of plain fine-tuning.

    python tools/benchmarks/skip_tuning.py [--clip local-dir:FOLDER]
        [--classes 500] [--batch 4] [--steps 3] [--cpu-time] [--quick]

Each row adds something: all blocks of both towers are tuned, then the upper
half alone, then on a sample of the classes. A step is the forward and the
backward pass. Kept is what the forward pass keeps for the backward pass,
without the weights. Weights, images and labels are noise.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from _benchmark.measure import add_clock, choose_clock
from mmpretrain.structures import DataSample
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.models.class_texts import ClassSample
from dept_mm.models.clip import build_clip


def count_kept(backbone: PromptedCLIP, forward: Callable[[], Tensor]) -> int:
    """Count the bytes that the forward pass keeps."""
    weights = {p.untyped_storage().data_ptr()
               for p in (*backbone.parameters(), *backbone.clip.parameters())}
    kept = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def measure(backbone: PromptedCLIP, images: Tensor, labels: Tensor,
            steps: int, clock: Callable[[], float]) -> tuple[float, int]:
    """Return seconds of a step, and bytes kept in it."""
    samples = [DataSample().set_gt_label(label) for label in labels]

    def forward() -> Tensor:
        loss, = CLIPHead().loss(backbone(images), samples).values()
        return loss

    backbone.train()
    kept = count_kept(backbone, forward)
    start = clock()
    for _ in range(steps):
        backbone.zero_grad()
        forward().backward()
    return (clock() - start) / steps, kept


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clip', default='ViT-B-16-quickgelu')
    parser.add_argument('--classes', type=int, default=500)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--steps', type=int, default=3)
    add_clock(parser)
    parser.add_argument('--quick', action='store_true',
                        help='one step and few classes: does it run?')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    clock = choose_clock(args)
    if args.quick:
        args.classes, args.steps = 8, 1
    torch.manual_seed(0)
    clip = build_clip(dict(name=args.clip, pretrained='random'))
    size, half = clip.spec.image_size, clip.text_tower.num_layers // 2
    images = torch.randn(args.batch, 3, size, size)
    labels = torch.randint(args.classes, (args.batch, ))
    names = [f'thing {i}' for i in range(args.classes)]
    found = []
    print('                      seconds          MiB kept')
    for row, first, sampled in (('all blocks', 1, False),
                                ('upper half', half + 1, False),
                                ('and some classes', half + 1, True)):
        backbone = PromptedCLIP(clip, names, dict(
            type='TunedBlocks', first_block=first))
        if sampled:
            backbone.texts.sample = ClassSample()
            backbone.texts.sample.targets = labels
        found.append(measure(backbone, images, labels, args.steps, clock))
        ratios = [a / b for a, b in zip(found[0], found[-1], strict=True)]
        seconds, kept = found[-1]
        print(f'{row:<18}{seconds:>10.2f}  1/{ratios[0]:.1f}'
              f'{kept / 2**20:>13.1f}  1/{ratios[1]:.1f}')


if __name__ == '__main__':
    main()
