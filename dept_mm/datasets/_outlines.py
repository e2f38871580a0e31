"""Define the outlines of the shapes that :mod:`drawings` draws."""
import math

import numpy as np

Outline = list[tuple[float, float]]


def _make_star(points: int, inner: float) -> Outline:
    """Make a star; ``inner`` is the radius of its inner corners."""
    turns = [math.pi * k / points for k in range(2 * points)]
    return [((inner if k % 2 else 1.) * math.sin(t),
             -(inner if k % 2 else 1.) * math.cos(t))
            for k, t in enumerate(turns)]


def _make_heart() -> Outline:
    """Make a heart from the usual curve of sines and cosines."""
    turns = np.linspace(0, 2 * math.pi, 28, endpoint=False)
    x = np.sin(turns)**3
    y = (13 * np.cos(turns) - 5 * np.cos(2 * turns) - 2 * np.cos(3 * turns) -
         np.cos(4 * turns)) / 16
    return list(zip(x, .1 - y, strict=True))


def _make_moon() -> Outline:
    """Make a crescent: a long arc of the unit circle, closed by a shallower
    curve."""
    out = np.linspace(-.75 * math.pi, .75 * math.pi, 20)
    back = np.linspace(1., -1., 14)
    return ([(.3 - math.cos(t), math.sin(t)) for t in out] +
            [(.98 - 1.2 * math.sqrt(1 - .65 * s * s), .72 * s) for s in back])


# Outlines in the unit disc, y pointing down.
SHAPES = dict(
    circle=_make_star(16, 1.),
    square=[(-.8, -.8), (.8, -.8), (.8, .8), (-.8, .8)],
    triangle=_make_star(3, .5),
    diamond=[(0, -1), (.62, 0), (0, 1), (-.62, 0)],
    star=_make_star(5, .42),
    heart=_make_heart(),
    cross=[(-.3, -1), (.3, -1), (.3, -.3), (1, -.3), (1, .3), (.3, .3),
           (.3, 1), (-.3, 1), (-.3, .3), (-1, .3), (-1, -.3), (-.3, -.3)],
    arrow=[(-1, -.3), (.1, -.3), (.1, -.85), (1, 0), (.1, .85), (.1, .3),
           (-1, .3)],
    moon=_make_moon())
