"""Compare training steps from images with steps from hidden states.

    python tools/benchmarks/lower_states.py [--clip ViT-B-16-quickgelu]
        [--classes 50] [--batch 4] [--rounds 3] [--cpu-time] [--quick]

Learners that leave the lower blocks of the image tower alone could start from
hidden states behind these blocks, kept on disk. The columns say how many
blocks that would spare; seconds and arithmetic of a step (forward, backward
and update, with a CLIPHead) either way; and how large the states of an image
are in fp32. Weights and images are noise.
"""
from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial

import torch
from _benchmark.measure import (
    Part,
    add_clock,
    choose_clock,
    measure_costs,
)
from mmpretrain.structures import DataSample
from torch import Tensor

from dept_mm.models import CLIPHead, PromptedCLIP
from dept_mm.models.clip import FrozenCLIP, build_clip
from dept_mm.structures import LowerStates

# The published options; the tower has 12 blocks.
LEARNERS = dict(
    MMRL=dict(type='MMRLPrompt', first_block=6),
    MultiModalAdapter=dict(type='MultiModalAdapter', first_block=5),
    TunedBlocks=dict(type='TunedBlocks', first_block=7),
    LatePrompt=dict(type='TowerPrompts', image=[
        dict(type='LatePrompt', layer=6, num_tokens=4)]))
# Option that counts blocks -> how many of these are not below it.
DEPTHS = dict(first_block=1, layer=0)


class Steps:
    """Training steps of one learner.

    Args:
        clip (FrozenCLIP): The CLIP.
        prompt (Mapping): Config of the learner.
        classes (int): How many.
        images (Tensor): ``(B, 3, H, W)``.
    """

    def __init__(self, clip: FrozenCLIP, prompt: Mapping, classes: int,
                 images: Tensor) -> None:
        teaches = prompt['type'] == 'MMRLPrompt'
        self.backbone = PromptedCLIP(
            clip, [f'thing {i}' for i in range(classes)], prompt,
            teacher=dict(image=True) if teaches else None).train()
        self.head = CLIPHead(losses=[
            dict(type='TokenFeatureLoss'), dict(type='TextConsistencyLoss'),
            dict(type='ImageConsistencyLoss')] if teaches else [])
        self.optimizer = torch.optim.SGD(self.backbone.parameters(), lr=1e-5,
                                         momentum=.9)
        self.images = images
        self.samples = [DataSample().set_gt_label(i % classes)
                        for i in range(len(images))]
        self.states = clip.image_tower.below(
            images, self.backbone.prompt.for_image())

    def run(self, inputs: Tensor | LowerStates) -> Tensor:
        """Make a step, and return the loss."""
        self.optimizer.zero_grad()
        loss = sum(self.head.loss(self.backbone(inputs),
                                  self.samples).values())
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def shorten(node, below: int):
    """Copy a config such that at most so many blocks are left alone."""
    if isinstance(node, list):
        return [shorten(item, below) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: min(value, below + DEPTHS[key]) if key in DEPTHS
            else shorten(value, below) for key, value in node.items()}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clip', default='ViT-B-16-quickgelu')
    parser.add_argument('--classes', type=int, default=50)
    parser.add_argument('--batch', type=int, default=4)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--learners', nargs='+', choices=LEARNERS,
                        default=[*LEARNERS])
    add_clock(parser)
    parser.add_argument('--quick', action='store_true',
                        help='one round and few classes: does it run?')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    clock = choose_clock(args)
    if args.quick:
        args.classes, args.rounds = 8, 1
    torch.manual_seed(0)
    clip = build_clip(dict(name=args.clip, pretrained='random'))
    size = clip.spec.image_size
    below = min(tower.num_layers for tower in (clip.text_tower,
                                               clip.image_tower)) - 1
    images = torch.randn(args.batch, 3, size, size)
    print(f'{"":<18}blocks   images   states          GFLOP'
          '                 KB')
    for name in args.learners:
        steps = Steps(clip, shorten(LEARNERS[name], below), args.classes,
                      images)
        ways = [[Part(partial(steps.run, given))]
                for given in (images, steps.states)]
        of_images, of_states = measure_costs(ways, args.rounds,
                                             clip.parameters(), clock)
        kept = steps.states.hidden[0]
        print(f'{name:<18}{steps.states.blocks:>6}'
              f'{of_images.seconds:>7.2f} s{of_states.seconds:>7.2f} s'
              f'{of_images.seconds / of_states.seconds:>6.2f}x'
              f'{of_images.flops / 1e9:>9.1f}{of_states.flops / 1e9:>9.1f}'
              f'{of_images.flops / of_states.flops:>6.2f}x'
              f'{kept.numel() * kept.element_size() / 1e3:>8.0f}', flush=True)


if __name__ == '__main__':
    main()
