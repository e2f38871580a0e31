"""Figures as SVG that fits into a page, light or dark."""
from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

from dept_mm.reports.drawing import new_figure

# Readable on white and on black. The page draws ink in the colour of its text.
INK, FIRST, SECOND, THIRD = '#333333', '#8f959e', '#2f81c7', '#d9822b'
_STYLE = {
    'font.size': 9, 'axes.titlesize': 10, 'axes.labelsize': 9,
    'legend.fontsize': 8, 'legend.frameon': False, 'axes.grid': True,
    'grid.alpha': .2, 'grid.color': INK, 'axes.spines.top': False,
    'axes.spines.right': False, 'lines.linewidth': 1.6,
    # Names of classes are no formulas, and text remains text.
    'text.parse_math': False, 'svg.fonttype': 'none',
    **{f'{part}.color': INK for part in ('text', 'xtick', 'ytick')},
    **{f'axes.{part}color': INK for part in ('label', 'edge')}}


def draw_svg(width: float, height: float, paint: Callable[[Any], None]
             ) -> str:
    """Draw a figure.

    Args:
        width (float): Width in inches; more than 5 is too small on a phone.
        height (float): Height in inches.
        paint (Callable): Draws on the figure that it is given.

    Returns:
        str: An ``<svg>`` element with a transparent background. Its ids are
        the same for the same content, so that two figures share a page.
    """
    from matplotlib import rc_context
    text = io.StringIO()
    with rc_context({**_STYLE, 'svg.hashsalt': 'report'}), (
            warnings.catch_warnings()):
        # The browser has the glyphs that matplotlib's font lacks.
        warnings.filterwarnings('ignore', 'Glyph')
        figure = new_figure(figsize=(width, height))
        paint(figure)
        figure.savefig(text, format='svg', transparent=True)
    found = text.getvalue()
    found = found[found.index('<svg'):]
    found = re.sub(r'\s*<metadata>.*?</metadata>', '', found, flags=re.S)
    # Names such as figure_1, which nothing refers to, come in each figure.
    return re.sub(r' id="[A-Za-z0-9.]+_\d+"', '', found)


def follow_text(svg: str) -> str:
    """Let the ink of a figure have the colour of the text around it."""
    return svg.replace(INK, 'currentColor')
