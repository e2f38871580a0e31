"""The figures of a report."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dept_mm.evaluation.calibration import reliability_bins
from dept_mm.evaluation.selective import risk_at_coverage
from dept_mm.reports.html._svg import FIRST, SECOND, THIRD, draw_svg

COLORS = {'zero-shot': FIRST}  # all other rows of a result: SECOND
MARKERS = {'zero-shot': 'o'}
MOST_POINTS = 200  # of a curve


def draw_accuracies(rows: Sequence[Mapping]) -> str:
    """Draw accuracies with their intervals, one line for each half.

    Args:
        rows (Sequence[Mapping]): ``label`` and ``cells``, which maps a row of
            the result to (value, low, high) in %.
    """
    def paint(figure: Any) -> None:
        ax = figure.subplots()
        names = list(dict.fromkeys(n for row in rows for n in row['cells']))
        for k, name in enumerate(names):
            at = [i + .18 * (k - (len(names) - 1) / 2)
                  for i, row in enumerate(rows) if name in row['cells']]
            cells = np.array([row['cells'][name] for row in rows
                              if name in row['cells']])
            value, low, high = cells.T
            ax.errorbar(value, at, xerr=[value - low, high - value],
                        fmt=MARKERS.get(name, 's'), capsize=3, label=name,
                        color=COLORS.get(name, SECOND), elinewidth=2)
        ax.set(yticks=range(len(rows)), xlabel='accuracy in %',
               yticklabels=[row['label'] for row in rows],
               ylim=(len(rows) - .5, -.5))
        ax.grid(axis='y', visible=False)
        figure.legend(loc='outside upper right', ncols=len(names))

    return draw_svg(4.6, .9 + .5 * len(rows), paint)


def draw_reliability(records: Mapping[str, np.ndarray],
                     errors: Mapping[str, float], title: str) -> str:
    """Draw accuracy over confidence.

    Args:
        records (Mapping): Row of the result -> its records of predictions.
        errors (Mapping): Row of the result -> its expected calibration error.
        title (str): What is above the figure.
    """
    def paint(figure: Any) -> None:
        ax = figure.subplots()
        ax.plot([0, 1], [0, 1], ':', color=THIRD, label='calibrated')
        for name, found in records.items():
            mean, accuracy, count = reliability_bins(
                found['probability'][:, 0],
                found['top'][:, 0] == found['label'])
            color = COLORS.get(name, SECOND)
            ax.plot(mean, accuracy, color=color, linewidth=1, alpha=.5)
            ax.scatter(mean, accuracy, 3 + 120 * count / count.sum(),
                       color=color, marker=MARKERS.get(name, 's'),
                       label=f'{name}, ECE {100 * errors[name]:.1f} %')
        ax.set(xlabel='confidence', ylabel='accuracy', title=title,
               xlim=(-.02, 1.02), ylim=(-.02, 1.02))
        keys = figure.legend(loc='outside lower center')
        for key in keys.legend_handles[1:]:
            key.set_sizes([25])

    return draw_svg(3.4, 3.7, paint)


def draw_risk(records: Mapping[str, np.ndarray], title: str) -> str:
    """Draw the errors among the most confident predictions.

    Args:
        records (Mapping): Row of the result -> its records of predictions.
        title (str): What is above the figure.
    """
    def paint(figure: Any) -> None:
        ax = figure.subplots()
        for name, found in records.items():
            coverage, risk = risk_at_coverage(
                found['probability'][:, 0],
                found['top'][:, 0] == found['label'])
            shown = np.linspace(0, len(risk) - 1, MOST_POINTS).astype(int)
            ax.plot(100 * coverage[shown], 100 * risk[shown],
                    color=COLORS.get(name, SECOND),
                    label=f'{name}, AURC {100 * risk.mean():.1f} %')
        ax.set(xlabel='coverage in %', ylabel='errors in %', title=title,
               xlim=(0, 102))
        ax.set_ylim(bottom=0)
        figure.legend(loc='outside lower center')

    return draw_svg(3.4, 3.7, paint)


def draw_confusions(matrix: np.ndarray, names: Sequence[str], title: str
                    ) -> str:
    """Draw how often images of a class (rows) are taken for another.

    Args:
        matrix (np.ndarray): Share of the images of each class, ``(C, C)``.
        names (Sequence[str]): Names of the classes.
        title (str): What is above the figure.
    """
    short = [n if len(n) < 25 else f'{n[:23]}…' for n in names]

    def paint(figure: Any) -> None:
        from matplotlib.colors import to_rgba
        ax, size = figure.subplots(), len(names)
        color = np.empty((size, size, 4))
        color[:] = to_rgba(SECOND)
        color[..., 3] = .75 * matrix
        ax.pcolormesh(color)
        for i, j in zip(*np.nonzero(matrix >= .005), strict=True):
            ax.text(j + .5, i + .5, f'{100 * matrix[i, j]:.0f}', ha='center',
                    va='center', fontsize=8)
        ticks = np.arange(size) + .5
        ax.set(title=title, xlabel='predicted, in % of the true class',
               ylabel='true class', aspect='equal')
        ax.set_xticks(ticks, short, rotation=45, ha='right')
        ax.set_yticks(ticks, short)
        ax.invert_yaxis()
        ax.grid(False)

    return draw_svg(4.4, 4.2, paint)


def draw_curves(curves: Mapping[str, tuple[list, list]], label: str
                ) -> str:
    """Draw numbers over training steps.

    Args:
        curves (Mapping): Name -> steps and values.
        label (str): Name of the axis of the values.
    """
    def paint(figure: Any) -> None:
        ax = figure.subplots()
        # There are more colours than curves.
        for (name, (step, value)), color in zip(
                curves.items(), (SECOND, THIRD, FIRST, '#4a9e5c', '#a05fb4'),
                strict=False):
            ax.plot(step, value, label=name, color=color,
                    marker='.' if len(step) < 30 else None)
        ax.set(xlabel='step', ylabel=label)
        if len(curves) > 1:
            ax.legend()

    return draw_svg(4.4, 2.6, paint)


def draw_points(panels: Mapping[str, Mapping[str, Mapping]]) -> str:
    """Draw the value of each seed as a point, means as lines, and published
    values as crosses.

    Args:
        panels (Mapping): Metric -> row -> dict(seeds, mean, published), of
            which the last two may be None.
    """
    rows = list(dict.fromkeys(row for found in panels.values()
                              for row in found))

    def paint(figure: Any) -> None:
        axes = figure.subplots(len(panels), squeeze=False)[:, 0]
        for ax, (metric, found) in zip(axes, panels.items(), strict=True):
            for at, row in enumerate(rows):
                cell = found.get(row, dict(seeds=[], mean=None))
                ax.scatter(cell['seeds'], [at] * len(cell['seeds']), 22,
                           color=SECOND, alpha=.6, zorder=3)
                if cell['mean'] is not None:
                    ax.plot(cell['mean'], at, '|', color=SECOND,
                            markersize=14, markeredgewidth=2)
                if cell.get('published') is not None:
                    ax.plot(cell['published'], at, 'x', color=THIRD)
            ax.set(yticks=range(len(rows)), yticklabels=rows,
                   xlabel=f'{metric} in %', ylim=(len(rows) - .5, -.5))

    return draw_svg(5, len(panels) * (.6 + .22 * len(rows)), paint)
