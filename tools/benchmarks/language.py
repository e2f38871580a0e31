"""Compare the cost of prompts of language models in one table.

    python tools/benchmarks/language.py [--tokens 64 128 256] [--time cpu]
        [--batch 2] [--rounds 3] [--threads 2]

RoBERTa-large and the encoder of T5-base, on tensors without storage: it needs
neither their weights nor their memory. ``--time`` also runs them, with random
weights. docs/performance.md explains the columns.
"""
from __future__ import annotations

import argparse
import time
from math import inf
from typing import NamedTuple

import torch
from _benchmark.language import FULL, Work, count_cost
from _benchmark.measure import Part, measure_costs

COLUMNS = ('model', 'tokens', 'work', 'before', 'ours',
           'FLOP before / ours', 'expected', 'kept ours / before',
           'without dropout', 'expected', 'time before / ours')
Expected = float | tuple[float, float] | None


class Row(NamedTuple):
    """Two methods at the same work, and the ratios that an analysis of the
    stock models gives; two numbers are a range.

    Attributes:
        family, before, ours, length, learns: See ``Work``.
        flops: Arithmetic, before over ours.
        kept: Bytes kept for the backward pass, ours over before.
    """
    family: str
    before: str
    ours: str
    length: int
    learns: bool
    flops: Expected = None
    kept: Expected = None

    def works(self, dropout: bool = True) -> list[Work]:
        """What is compared."""
        return [Work(self.family, method, self.length, self.learns, dropout)
                for method in (self.before, self.ours)]

    def flop_ratio(self) -> float:
        """The counted one."""
        before, ours = map(count_cost, self.works())
        return before[0] / ours[0]

    def kept_ratio(self, dropout: bool = True) -> float | None:
        """The counted one, of a training step."""
        before, ours = map(count_cost, self.works(dropout))
        return ours[1] / before[1] if self.learns else None

    def time_ratio(self, device: str, batch: int, rounds: int) -> float:
        """The measured one, in turns; of a CPU its own seconds, which others
        at work on it do not change."""
        clock = time.process_time if device == 'cpu' else time.perf_counter
        before, ours = measure_costs(
            [[Part(work.way(device, batch))] for work in self.works()],
            rounds, (), clock)
        return before.seconds / ours.seconds


def t5(length: int, forward: float, step: float, adept: float, kept: float,
       adept_kept: float) -> list[Row]:
    """Rows at one length; all learn the 76,800 parameters of 100 tokens."""
    soft, short = 'soft 100', 'decomposed 40'
    return [Row('t5', soft, short, length, False, forward),
            Row('t5', soft, short, length, True, None, kept),
            Row('t5', soft, 'decomposed 20', length, True, step),
            Row('t5', soft, 'adept 60', length, False, adept),
            Row('t5', soft, 'adept 60', length, True, None, adept_kept)]


ROWS = [
    Row('roberta', 'soft 20', 'late 5', 64, True, 1.67, .40),
    Row('roberta', 'soft 20', 'late 5', 128, True, 1.51, .44),
    Row('roberta', 'soft 20', 'late 5', 256, True, 1.43, .46),
    Row('roberta', FULL, 'late 5', 128, True, 1.93, .38),
    Row('roberta', 'soft 20', 'late 5', 128, False, (1., inf)),
    Row('roberta', 'no prompt', 'late 5', 128, False, (1 / 1.1, inf)),
    *t5(64, 1.60, 2.00, 1.33, .56, .70),
    *t5(128, 1.37, 1.58, 1.22, .66, .77),
    *t5(256, 1.22, 1.32, 1.14, .76, .84),
    Row('t5', 'decomposed 40', 'adept 60', 256, False, (.88, 1.))]


def format_expected(value: Expected) -> str:
    """A cell of the table."""
    if value is None:
        return ''
    if isinstance(value, tuple):
        low, high = value
        return f'{low:.2f} to {high:.2f}' if high < inf else f'> {low:.2f}'
    return f'{value:.2f}'


def measure_cells(row: Row, args: argparse.Namespace) -> list[str]:
    """A line of the table."""
    timed = None
    if args.time and row.before != FULL:
        timed = row.time_ratio(args.time, args.batch, args.rounds)
    return [row.family, str(row.length), 'step' if row.learns else 'forward',
            row.before, row.ours, *map(format_expected, (
                row.flop_ratio(), row.flops, row.kept_ratio(),
                row.kept_ratio(dropout=False), row.kept, timed))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    lengths = sorted({row.length for row in ROWS})
    parser.add_argument('--tokens', nargs='+', type=int, choices=lengths,
                        default=lengths, help='of each input')
    parser.add_argument('--time', metavar='DEVICE',
                        help='time all but full tuning there')
    parser.add_argument('--batch', type=int, default=2,
                        help='inputs of a timed run (default %(default)s)')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--threads', type=int, help='CPU threads')
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for line in (COLUMNS, ['---'] * len(COLUMNS)):
        print(f'| {" | ".join(line)} |')
    for row in ROWS:
        if row.length in args.tokens:
            print(f'| {" | ".join(measure_cells(row, args))} |', flush=True)


if __name__ == '__main__':
    main()
