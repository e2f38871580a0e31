"""Measure this package against public code in one table.

    python tools/benchmarks/run.py [--work step eval] [--hosts coop maple]
        [--classes 50 500] [--rounds 3] [--threads 2] [--precision bf16]
        [--device cuda] [--chunk 250] [--sample 100] [--reference CLONE]
        [--quick]

CLIP ViT-B/16 with random weights; hosts have a DePT head; the plain way runs
in the same process, in turns. docs/performance.md explains the columns.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch
from _benchmark import reference
from _benchmark.case import HOSTS, Case
from _benchmark.measure import Cost, Way, measure_costs, multiply_weights
from _benchmark.works import WORKS, Sizes

from dept_mm.models.clip import FrozenCLIP, build_clip

CLIP = dict(name='ViT-B-16-quickgelu', pretrained='random')
TINY = dict(name='builtin:demo_clip')
COLUMNS = ('work', 'classes', 'plain', 'ours', 'faster', 'stored', 'faster',
           'GFLOP plain', 'ours', 'MiB plain', 'ours', 'rate')
WIDTHS = (31, 7, 9, 9, 7, 9, 7, 11, 9, 9, 7, 5)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work', nargs='+', choices=WORKS, default=[*WORKS])
    parser.add_argument('--hosts', nargs='+', choices=HOSTS)
    parser.add_argument('--classes', nargs='+', type=int, default=[50, 500],
                        help='at most a chunk, or a multiple of it')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--threads', type=int, help='CPU threads')
    parser.add_argument('--precision', choices=('fp32', 'bf16'),
                        default='fp32', help='of the frozen CLIP')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--chunk', type=int, default=Sizes().chunk,
                        help='classes that the plain way encodes at once; '
                        'public code encodes all (default %(default)s)')
    parser.add_argument('--sample', type=int, default=Sizes().sample,
                        help='of the 1,000 images of an evaluation, how '
                        'many to run at once (default %(default)s)')
    parser.add_argument('--reference', type=Path, metavar='PATH',
                        help="a clone of DePT's public code: time its "
                        'CoOp+DePT training step as the plain way; or with '
                        '--hosts clip_lora one of CLIP-LoRA')
    parser.add_argument('--quick', action='store_true',
                        help='a toy CLIP and few classes: does it run?')
    args = parser.parse_args()
    args.sizes = Sizes(chunk=args.chunk, sample=args.sample)
    if args.quick:
        args.classes, args.rounds = [4], 1
        args.sizes = Sizes(chunk=2, images=8, batch=4, sample=2)
    if args.reference:
        args.work, args.hosts = ['step'], args.hosts or ['coop']
    args.hosts = args.hosts or [*HOSTS]
    if args.reference and not {*args.hosts} <= {*reference.BUILDERS}:
        parser.error(f'--reference: --hosts {", ".join(reference.BUILDERS)}')
    if any(n < 1 or n > args.sizes.chunk and n % args.sizes.chunk
           for n in args.classes):
        parser.error(f'--classes: at most {args.sizes.chunk}, or a multiple '
                     'of it')
    return args


def make_own_products(clip: FrozenCLIP) -> Way:
    """Products of the shapes of a block of the text tower."""
    block = clip.text_tower.text.transformer.resblocks[0]
    return multiply_weights([p for p in block.parameters() if p.ndim == 2])


def format_line(cells) -> str:
    """A row of a Markdown table that reads well as it is."""
    cells = [str(c).ljust(w) if i == 0 else str(c).rjust(w)
             for i, (c, w) in enumerate(zip(cells, WIDTHS, strict=True))]
    return f'| {" | ".join(cells)} |'


def format_seconds(cost: Cost) -> str:
    if cost.seconds < 1:
        return f'{cost.seconds * 1000:.1f} ms'
    return f'{cost.seconds:.2f} s'


def compute_rate(cost: Cost) -> float:
    """Floating-point operations a second."""
    return cost.flops / cost.seconds


def format_row(title: str, classes: int, machine: Cost, plain: Cost,
               ours: Cost, stored: Cost | None = None) -> str:
    """Write a row of the table."""
    return format_line([
        title, classes, format_seconds(plain), format_seconds(ours),
        f'{plain.seconds / ours.seconds:.1f}x',
        *([format_seconds(stored), f'{plain.seconds / stored.seconds:.1f}x']
          if stored else ['', '']),
        *(f'{cost.flops / 1e9:.1f}' for cost in (plain, ours)),
        *(f'{cost.kept / 2**20:.0f}' if cost.kept else ''
          for cost in (plain, ours)),
        f'{compute_rate(ours) / compute_rate(machine):.0%}'])


def measure_rows(args: argparse.Namespace, clip: FrozenCLIP) -> Iterator[str]:
    """Measure row by row, the machine's own rate along with each."""
    frozen = [*clip.parameters(), *clip.buffers()]
    machine = make_own_products(clip)
    for work, host, classes in product(args.work, args.hosts, args.classes):
        title, make, hosts = WORKS[work]
        if host not in hosts:
            continue
        case = Case(host, clip, classes, args.device)
        ways = make(case, args.sizes)
        if args.reference:
            ways = ways._replace(plain=reference.train_step(
                args.reference, case, args.sizes))
        found = measure_costs([machine, *filter(None, ways)], args.rounds,
                              frozen)
        yield format_row(f'{host} {title}', classes, *found)


def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    clip = build_clip(dict(TINY if args.quick else CLIP,
                           precision=args.precision)).to(args.device)
    print(format_line(COLUMNS))
    print(format_line('-' * w for w in WIDTHS))
    for text in measure_rows(args, clip):
        print(text, flush=True)
    found = measure_costs([make_own_products(clip)], 9, ())[0]
    print(f'\n{clip.name} in {args.precision} on {args.device}, '
          f'{torch.get_num_threads()} CPU threads, torch '
          f'{torch.__version__}; matrix products '
          f'{compute_rate(found) / 1e9:.0f} GFLOP/s')


if __name__ == '__main__':
    main()
