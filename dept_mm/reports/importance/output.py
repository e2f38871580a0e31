"""Channel importance as a table, as files and as a plot."""
from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev

from dept_mm.errors import DeptError
from dept_mm.reports.drawing import new_figure
from dept_mm.utils.files import write_atomically

NAME = 'channel_importance'
NEAR = .1  # largest distance of a ratio that counts as near 1


@dataclass(frozen=True)
class Importance:
    """The channel importance of one model.

    Attributes:
        name (str): Name of the model.
        base (list): Importance of each channel for base classes.
        new (list): Importance of each channel for new classes.
    """
    name: str
    base: Sequence[float]
    new: Sequence[float]

    @property
    def ratios(self) -> list[float | None]:
        """Importance for base over importance for new classes, by channel.

        All are 1 if no channel is biased. The ratio is None for a channel
        without any importance for new classes.
        """
        return [b / n if n else None
                for b, n in zip(self.base, self.new, strict=True)]

    def summarize(self) -> dict[str, float]:
        """Summarize how far the ratios are from 1.

        Returns:
            dict: ``mean``, ``std`` (standard deviation), ``distance`` (mean
            distance from 1), ``near`` (share of channels within 0.1 of 1) and
            ``above`` (share above 1).
        """
        ratios = [r for r in self.ratios if r is not None]
        off = [abs(r - 1) for r in ratios]
        return dict(
            mean=mean(ratios), std=stdev(ratios), distance=mean(off),
            near=sum(d <= NEAR for d in off) / len(off),
            above=sum(r > 1 for r in ratios) / len(off))


def format_report(found: Sequence[Importance]) -> str:
    """Format the summaries of several models as a Markdown table."""
    head = ('mean', 'std', 'distance from 1', 'within 10 % of 1', 'above 1')
    lines = ['Channel importance, base over new', '',
             '| model | ' + ' | '.join(head) + ' |', '|---' * 6 + '|']
    for one in found:
        *numbers, near, above = one.summarize().values()
        cells = [*(f'{n:.3f}' for n in numbers),
                 *(f'{100 * n:.1f} %' for n in (near, above))]
        lines.append('| ' + ' | '.join([one.name, *cells]) + ' |')
    return '\n'.join(lines)


def save(found: Sequence[Importance], folder: str | Path) -> list[Path]:
    """Write all numbers as JSON, which ``load`` reads, and as CSV.

    Returns:
        list[Path]: The two files.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['model', 'channel', 'base', 'new', 'ratio'])
    for one in found:
        writer.writerows(
            (one.name, r, *row) for r, row in enumerate(
                zip(one.base, one.new, one.ratios, strict=True)))
    models = [dict(asdict(one), summary=one.summarize()) for one in found]
    paths = [Path(folder, f'{NAME}.{suffix}') for suffix in ('json', 'csv')]
    for path, content in zip(
            paths, (json.dumps(models, indent=1), text.getvalue()),
            strict=True):
        write_atomically(path, content.encode())
    return paths


def load(path: str | Path) -> list[Importance]:
    """Read a JSON file that ``save`` has written.

    Raises:
        DeptError: If the file holds something else.
    """
    try:
        return [Importance(m['name'], m['base'], m['new'])
                for m in json.loads(Path(path).read_text())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeptError(f'{path} is not a {NAME}.json ({error!r}).') from error


def draw(found: Sequence[Importance], path: str | Path) -> None:
    """Draw what the paper's first figures show, with one colour per model.

    On the left is the density of the ratios. On the right is one point for
    each channel, at its importance for base and for new classes; unbiased
    channels lie on the diagonal.

    Raises:
        DeptError: If matplotlib is missing.
    """
    figure = new_figure(figsize=(11, 5))
    left, right = figure.subplots(1, 2)
    ratios = [[r for r in one.ratios if r is not None] for one in found]
    left.hist(ratios, bins=40, density=True, histtype='step',
              label=[one.name for one in found],
              color=[f'C{i}' for i in range(len(found))])
    left.axvline(1, color='gray', linestyle=':')
    left.set(xlabel='channel importance, base / new', ylabel='density')
    for i, one in enumerate(found):
        right.scatter(one.base, one.new, s=6, alpha=.6, color=f'C{i}')
    right.axline((1, 1), slope=1, color='gray', linestyle=':')
    right.set(xlabel='channel importance, base classes',
              ylabel='channel importance, new classes')
    figure.legend(fontsize=7, loc='outside lower center')
    figure.savefig(path)
