"""Write pages from templates."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dept_mm.reports.html._svg import follow_text
from dept_mm.utils.files import write_atomically
from dept_mm.version import __version__

FILE = 'report.html'
FIGURES = 'figures'  # folder beside the page
_TEMPLATES = Path(__file__).parent


def write_page(folder: Path, template: str, values: Mapping[str, Any],
               figures: Mapping[str, str]) -> Path:
    """Write a page with everything in it, and its figures beside it.

    Args:
        folder (Path): Where the page goes.
        template (str): Name of a template in this folder.
        values (Mapping): What the template shows; text in it is escaped.
        figures (Mapping): Name -> SVG.

    Returns:
        Path: The page.
    """
    # Every training imports this file, and needs these only when it ends.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters['signed'] = lambda number: (
        f'{number:+.1f}'.replace('-', '\N{MINUS SIGN}'))
    own = {name: Markup((_TEMPLATES / name).read_text('utf-8'))
           for name in ('style.css', 'table.js')}
    text = environment.get_template(template).render(
        **values, style=own['style.css'], script=own['table.js'],
        version=__version__, svg={name: Markup(follow_text(svg))
                                  for name, svg in figures.items()})
    if figures:
        (folder / FIGURES).mkdir(exist_ok=True)
    for name, svg in figures.items():
        file = name.replace('/', '-') + '.svg'
        write_atomically(folder / FIGURES / file, svg.encode())
    write_atomically(folder / FILE, text.encode())
    return folder / FILE
