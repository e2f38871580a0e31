"""Write random captions for drawings, to train the demo CLIP on."""
from random import Random
from typing import NamedTuple

from .drawings import Drawing


class Caption(NamedTuple):
    """A sentence, and the codes of the drawing's values that it mentions.

    Attributes:
        text (str): The sentence.
        codes (tuple[int]): See ``Drawing.codes``; -1 marks a value that the
            sentence does not mention.
    """
    text: str
    codes: tuple[int, ...]


# The long template trains the text tower at the positions that prompts of 16
# tokens occupy.
TEMPLATES = ('{}', '{}.', 'a photo of {}.', 'a photo of {}.', 'a photo of {}.',
             'a drawing of {}.', 'a picture of {}.', 'this is {}.',
             'an image that shows {}.', 'on the front page of this book '
             'somebody has made for you a picture of {}.')


def describe(drawing: Drawing, rng: Random) -> Caption:
    """Write a random caption that names the shape and some other values.

    Half of the captions are 'a photo of a {}.' and the like, filled with
    ``drawing.name``: the usual CLIP templates.

    Args:
        drawing (Drawing): The content of the image.
        rng (random.Random): Chooses the template and the values to mention.

    Returns:
        Caption: The text and the codes of the values it mentions, (6, ).
    """
    if rng.random() < .5:
        said = [True, True, True, False, False, False]
    else:
        odds = (.8, .8, 1., .4, .3, .4)  # the shape is always named
        said = [rng.random() < p for p in odds]
    texture, colour, shape, count, size, ground = (
        v if s else '' for v, s in zip(drawing.values, said, strict=True))
    words = [w for w in (size, texture, colour, shape) if w]
    if count not in ('', 'one'):
        words[-1] += 'es' if shape == 'cross' else 's'
    article = 'an' if words[0][0] in 'aeiou' else 'a'
    text = ' '.join([count or article, *words])
    if ground:
        text += f' on a {ground} background'
    codes = tuple(c if s else -1
                  for c, s in zip(drawing.codes, said, strict=True))
    return Caption(rng.choice(TEMPLATES).format(text), codes)
