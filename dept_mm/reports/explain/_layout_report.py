"""The tokens of the towers as plain text."""
from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from dept_mm.reports.explain._parameters import collapse_names

WIDTH = 100
PER = {None: 'one for all', 'class': 'one per class',
       'image': 'one per image', 'input': 'one per text',
       'token': 'one per token', 'block': 'one per block',
      'image and class': 'one per image and class'}


def format_layout(layout: dict) -> Iterator[str]:
    """Yield the lines about all towers; see ``token_layout``."""
    text, image = layout.get('text'), layout.get('image')
    if language := layout.get('language'):
        yield f'LANGUAGE MODEL  {_format_size(language)}'
        yield from _format_layers(language)
    if text:
        yield (f'TEXT TOWER  {_format_size(text)}; {text["classes"]} classes '
               'in training')
        # A causal tower computes equal beginnings once.
        yield (f'  {text["once"]} tokens computed once for all classes, '
               f'{text["each"]} of their own')
        if text['templates'] > 1:
            yield (f'  the first of {text["templates"]} templates; their '
                   'features are averaged')
        yield from _format_layers(text)
    if image:
        if text:
            yield ''
        yield f'IMAGE TOWER  {image["kind"]}, {_format_size(image)}'
        yield from _format_layers(image)


def _format_size(tower: dict) -> str:
    if tower['blocks'] is None:
        return 'it takes no prompts'
    return f'{tower["blocks"]} blocks of width {tower["width"]}'


def _format_layers(tower: dict) -> Iterator[str]:
    for layer in tower['layers']:
        first, last = layer['first'], layer['last']
        where = f'block {first}' if first == last else f'{first} to {last}'
        tokens = ' '.join(f'[{_format_token(t)}]' for t in layer['tokens'])
        tokens += f' = {_format_span(layer["length"])} tokens'
        yield from wrap(f'  {where:10s} ', tokens)
        # A context that is split around the class name is described once.
        told = dict.fromkeys(map(_format_origin, layer['tokens']))
        for origin in told:
            if origin:
                yield from wrap(' ' * 15, origin)
        for part in layer['inside']:
            yield from wrap(' ' * 15, f'{part["name"]}, inside blocks, from '
                            + ', '.join(collapse_names(part['sources'])))
    if tower['offset']:
        yield from wrap('  ', _format_origin(tower['offset'])
                         + ', added to '
                         f'{_format_span(tower["offset"]["count"])} own '
                         'tokens before block 0')


def _format_token(token: dict) -> str:
    count = ('' if token['count'] == [1, 1]
             else f' x {_format_span(token["count"])}')
    state = '' if token['state'] == 'frozen' else f': {token["state"]}'
    return (f'{token["name"]}{count}{state}'
            f'{", new" if token["new"] else ""}')


def _format_origin(token: dict) -> str:
    if not token['sources']:
        return ''
    how = 'from' if token['state'] == 'computed' else 'is'
    return (f'{token["name"]} {how} '
            f'{", ".join(collapse_names(token["sources"]))}, '
            f'{PER[token["per"]]}')


def wrap(start: str, text: str) -> Iterable[str]:
    """Break a text into lines of the report, the first one behind a start."""
    return textwrap.wrap(text, WIDTH, initial_indent=start,
                         subsequent_indent=' ' * len(start),
                         break_long_words=False)


def _format_span(pair: list[int]) -> str:
    least, most = pair
    return str(least) if least == most else f'{least}-{most}'
