"""Draw the images that the demo CLIP is trained and tested on.

A :class:`Drawing` lists the content of an image, :func:`draw` turns it into
pixels, and :func:`~dept_mm.datasets.captions.describe` turns it into a
sentence. These functions are pure: all randomness comes from the seed or
generator that is passed in. The demo CLIP never sees the combinations in
:data:`HELD_OUT` during training. The classes of
:class:`~dept_mm.datasets.DrawnShapes` are therefore new to it, although it
knows each of their words.
"""
import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from ._outlines import SHAPES

# Colours as (hue in degrees, saturation, value).
COLOURS = dict(
    red=(0, .9, .85), orange=(30, .95, .95), yellow=(55, .9, .95),
    green=(120, .8, .65), cyan=(182, .8, .85), blue=(225, .85, .85),
    purple=(275, .7, .7), pink=(322, .55, .95))
BACKGROUNDS = dict(
    white=(0, 0, 1.), grey=(0, 0, .62), black=(0, 0, .07), beige=(40, .25, .9))
TEXTURES = ('plain', 'striped', 'dotted', 'checkered', 'hollow')
COUNTS = ('one', 'two', 'three', 'four')
SIZES = dict(small=.65, medium=.82, large=1.)
# The largest radius as a fraction of the image side, for one to four shapes.
_RADII = (.38, .25, .22, .21)

_VALUES = (TEXTURES, tuple(COLOURS), tuple(SHAPES), COUNTS, tuple(SIZES),
           tuple(BACKGROUNDS))


@dataclass(frozen=True)
class Drawing:
    """The content of an image; the first three fields make its class."""
    texture: str
    colour: str
    shape: str
    count: str = 'one'
    size: str = 'large'
    background: str = 'white'

    def __post_init__(self) -> None:
        for value, known in zip(self.values, _VALUES, strict=True):
            if value not in known:
                raise ValueError(f'{value!r} cannot be drawn; choose one of '
                                 f'{known}')

    @property
    def name(self) -> str:
        """Name of the class, e.g. 'striped red triangle'."""
        return f'{self.texture} {self.colour} {self.shape}'

    @property
    def values(self) -> tuple[str, ...]:
        """All fields in order, (6, )."""
        return (self.texture, self.colour, self.shape, self.count, self.size,
                self.background)

    @property
    def codes(self) -> tuple[int, ...]:
        """Index of each value in its list of possible values, (6, )."""
        return tuple(
            known.index(v)
            for v, known in zip(self.values, _VALUES, strict=True))

    @classmethod
    def sample(cls, name: str, rng: Random) -> 'Drawing':
        """Make a drawing of a class with random count, size, background."""
        return cls(*name.split(), *(rng.choice(v) for v in _VALUES[3:]))


@dataclass(frozen=True)
class Style:
    """How shapes are drawn. Angles are in degrees, lengths in pixels of a
    64 x 64 image."""
    turn_hue: float = 0.  # added to the hue of every shape ...
    hue_jitter: float = 7.  # ... plus a random angle up to this one
    fade: tuple[float, float] = (.85, 1.)  # range of saturation factors
    ink: float = 1.  # opacity of the paint ...
    wash: float = .3  # ... and of the area between stripes or dots
    squash: float = 1.  # width of a shape divided by its height
    tilt: float = 15.  # largest random rotation
    skew: float = 0.  # fixed rotation of every shape
    period: tuple[int, int] = (6, 8)  # of stripes, dots and checks
    stroke: float = 2.6  # line width of hollow shapes
    outline: float = 0.  # width of a dark contour, 0 for none
    clutter: int = 0  # number of stray lines
    blur: float = 0.  # radius of the Gaussian blur
    noise: float = 4.  # standard deviation, on the scale 0 to 255


STYLES = dict(
    clean=Style(),
    # Shifted hues, faint paint and narrow shapes mislead zero-shot CLIP but
    # hardly a linear probe; stray lines make the task harder for the probe.
    sketch=Style(
        turn_hue=16., fade=(.7, .9), ink=.75, squash=.75, skew=12.,
        period=(5, 6), stroke=2., outline=1., clutter=1, blur=.5,
        noise=8.))

# Classes of DrawnShapes; the first half are the base classes.
HELD_OUT: tuple[str, ...] = (
    'plain yellow moon', 'plain blue star',
    'striped yellow triangle', 'hollow red square',
    'hollow pink moon', 'plain purple cross',
    'checkered pink square', 'checkered red cross',
    'checkered blue circle', 'striped orange star',
    'striped orange triangle', 'dotted green diamond',
    'dotted cyan circle', 'striped green diamond',
    'hollow cyan heart', 'dotted purple arrow',
    'striped orange heart', 'plain orange cross',
    'plain pink square', 'plain yellow heart',
    'hollow cyan square', 'dotted purple star',
    'dotted red arrow', 'hollow red moon',
    'checkered blue cross', 'dotted yellow circle',
    'striped blue diamond', 'checkered purple moon',
    'checkered cyan diamond', 'striped green triangle',
    'hollow green arrow', 'plain pink circle')
TRAIN_NAMES: tuple[str, ...] = tuple(
    ' '.join(values) for values in product(*_VALUES[:3])
    if ' '.join(values) not in HELD_OUT)


def _to_rgb(hsv: Sequence[float], turn: float = 0., fade: float = 1.) -> tuple:
    """Convert (hue in degrees, saturation, value) to integers up to 255."""
    rgb = colorsys.hsv_to_rgb(((hsv[0] + turn) % 360) / 360, hsv[1] * fade,
                              hsv[2])
    return tuple(round(255 * c) for c in rgb)


@lru_cache(maxsize=512)
def _draw_pattern(texture: str, period: int, angle: int,
                  side: int) -> Image.Image:
    """Draw the pattern of a texture as an 'L' mask, (side, side)."""
    y, x = np.mgrid[:side, :side] * (2 * math.pi / period)
    a, b = math.radians(angle), math.radians(angle + 90)
    u = np.sin(x * math.cos(a) + y * math.sin(a))
    v = np.sin(x * math.cos(b) + y * math.sin(b))
    on = dict(
        striped=u > 0, dotted=u + v > .75, checkered=u * v > 0)[texture]
    return Image.fromarray((on * 255).astype(np.uint8))


def _choose_centres(count: int, side: int,
                    rng: np.random.Generator) -> np.ndarray:
    """Choose the centres (count, 2): the middle, a diagonal or grid cells."""
    if count == 1:
        cells = np.full((1, 2), .5)
    else:
        cells = np.array([(.27, .27), (.73, .73), (.27, .73), (.73, .27)])
        if rng.random() < .5:  # the other diagonal
            cells[:, 0] = 1 - cells[:, 0]
        cells = cells[:count]
    return (cells + rng.uniform(-.04, .04, cells.shape)) * side


def _make_polygons(drawing: Drawing, side: int, style: Style,
                   rng: np.random.Generator) -> list[list[tuple]]:
    """Make the polygon of each shape in the image, in pixels."""
    count = 1 + COUNTS.index(drawing.count)
    unit = np.asarray(SHAPES[drawing.shape])
    polygons = []
    for centre in _choose_centres(count, side, rng):
        angle = math.radians(style.skew + rng.uniform(-1, 1) * style.tilt)
        turn = np.array([[math.cos(angle), math.sin(angle)],
                         [-math.sin(angle), math.cos(angle)]])
        radius = SIZES[drawing.size] * _RADII[count - 1] * side
        points = unit * (style.squash, 1.) @ turn * radius + centre
        polygons.append([tuple(p) for p in points.tolist()])
    return polygons


def draw(drawing: Drawing, seed: int, image_size: int = 64,
         style: str = 'clean') -> np.ndarray:
    """Draw an image; equal arguments give equal pixels.

    Args:
        drawing (Drawing): The content of the image.
        seed (int): Determines place, rotation, shade, noise, stray lines.
        image_size (int): Side of the image, in pixels.
        style (str): A key of ``STYLES``.

    Returns:
        np.ndarray: RGB, uint8, (image_size, image_size, 3).
    """
    look, rng = STYLES[style], np.random.default_rng(seed)
    side, unit = 2 * image_size, image_size / 32  # drawn at twice the size
    ground = _to_rgb(BACKGROUNDS[drawing.background])
    paint = _to_rgb(COLOURS[drawing.colour],
                    look.turn_hue + rng.uniform(-1, 1) * look.hue_jitter,
                    rng.uniform(*look.fade))
    canvas = Image.new('RGB', (side, side), ground)
    pen = ImageDraw.Draw(canvas)
    for ends in rng.uniform(0, side, (look.clutter, 4)).tolist():
        pen.line(ends, tuple(rng.integers(256, size=3).tolist()), round(unit))

    mask, stroke = (Image.new('L', (side, side)) for _ in range(2))
    width = look.stroke if drawing.texture == 'hollow' else look.outline
    for polygon in _make_polygons(drawing, side, look, rng):
        ImageDraw.Draw(mask).polygon(polygon, fill=255)
        if width:
            ImageDraw.Draw(stroke).line(
                polygon + polygon[:2], 255, round(width * unit), 'curve')
    ink = mask
    if drawing.texture == 'hollow':
        ink = stroke
    elif drawing.texture != 'plain':
        period = int(rng.integers(look.period[0], look.period[1] + 1))
        ink = ImageChops.multiply(mask, _draw_pattern(
            drawing.texture, round(period * unit),
            int(rng.integers(12)) * 15, side))
        canvas.paste(paint, mask=mask.point(lambda a: round(a * look.wash)))
    canvas.paste(paint, mask=ink.point(lambda a: round(a * look.ink)))
    if look.outline and drawing.texture != 'hollow':
        canvas.paste((70, 70, 70), mask=stroke)
    canvas = canvas.reduce(2)
    if look.blur:
        canvas = canvas.filter(
            ImageFilter.GaussianBlur(look.blur * image_size / 64))
    noise = rng.standard_normal((image_size, image_size, 3), np.float32)
    return np.clip(canvas + noise * look.noise, 0, 255).astype(np.uint8)
