"""Files of the public code of CLIP-LoRA, which are not in Dassl's layout.

Such a file has ``weights``, the changed blocks of the text tower and then
those of the image tower, and ``metadata``, the options of the run.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.exchange.public_names import BLOCKS, LORA_PLACES, LORA_TOWERS
from dept_mm.models.prompts import BasePrompt, CLIPLoRA

ENCODERS = {('text', ): 'text', ('image', ): 'vision',
            ('text', 'image'): 'both'}
# What that code calls the last blocks of a tower. How many these are, the
# number of layers tells.
LAST = ('top', 'top1', 'top2', 'top3', 'up', 'half-up')


def is_lora_file(found: Mapping) -> bool:
    """Tell whether the content of a file has this layout."""
    return {'weights', 'metadata'} <= found.keys()


def flatten_lora_file(found: Mapping, learner: BasePrompt, source
                      ) -> tuple[dict[str, Tensor], list[str]]:
    """Give each matrix the name of its parameter in the public model.

    Args:
        found (Mapping): Content of the file.
        learner (BasePrompt): The config's, which says which blocks change.
        source: The file, for messages.

    Returns:
        tuple[dict[str, Tensor], list[str]]: Names and matrices, and lines
        that say what was compared.

    Raises:
        DeptError: If options of the run are not the config's, or the file is
            damaged.
    """
    if not isinstance(learner, CLIPLoRA):
        raise DeptError(f'{source} is a file of CLIP-LoRA, but the config has '
                        f'{type(learner).__name__}; use a config with '
                        'CLIPLoRA.')
    weights, metadata = found['weights'], found['metadata']
    if not isinstance(weights, dict) or not isinstance(metadata, dict):
        raise DeptError(f'{source} is damaged: weights and metadata of '
                        'CLIP-LoRA are dicts.')
    checked = _check_options(metadata, learner, source)
    blocks = [f'{LORA_TOWERS[tower]}{BLOCKS}.{i}.attn'
              for tower in _sort_towers(learner)
              for i in range(len(getattr(learner, tower)))]
    if len(weights) != len(blocks):
        raise DeptError(f'{source} changes {len(weights)} blocks, but the '
                        f'config {len(blocks)}: set first_block and towers '
                        'of CLIPLoRA.')
    names = {f'layer_{i}': block for i, block in enumerate(blocks)}
    try:
        state = {f'{names.get(layer, layer)}.{place}.{leaf}': value
                 for layer, places in weights.items()
                 for place, leaves in places.items()
                 for leaf, value in leaves.items()}
    except AttributeError as error:
        raise DeptError(f'{source} is damaged: {error}.') from error
    return state, [f'checked: {", ".join(checked)}']


def _check_options(given: Mapping, learner: CLIPLoRA, source) -> list[str]:
    """Compare options of the run with the config's, and return their
    names."""
    rank, alpha, places = _read_options(learner)
    own = dict(
        r=(rank, ), encoder=(ENCODERS[_sort_towers(learner)], ),
        params=(places, ), position=LAST if learner.first else ('all', ))
    for name, known in own.items():
        theirs: Any = given.get(name)
        if isinstance(theirs, list):
            theirs = sorted(map(str, theirs))
        if theirs not in known:
            raise _refuse(source, name, theirs, known)
    theirs = given.get('alpha')
    if not isinstance(theirs, (int, float)) or not math.isclose(
            theirs, alpha, rel_tol=1e-6):
        raise _refuse(source, 'alpha', theirs, (alpha, ))
    return [*own, 'alpha']


def _refuse(source, name: str, theirs: Any, known: tuple) -> DeptError:
    ours = ' or '.join(map(repr, known))
    return DeptError(
        f'{source}: {name} of CLIP-LoRA is {theirs!r} in the file, but '
        f'{ours} by the config. Set rank, alpha, places, first_block and '
        'towers of CLIPLoRA; its blocks reach to the last one.')


def _read_options(learner: CLIPLoRA) -> tuple[int, float, list[str]]:
    """Return rank, alpha and places, in the terms of the public code."""
    layer = getattr(learner, learner.towers[0])[0]
    rank = len(next(iter(layer.values())).down)
    return rank, learner.scale * rank**0.5, sorted(
        LORA_PLACES[place][0] for place in layer)


def _sort_towers(learner: CLIPLoRA) -> tuple[str, ...]:
    return tuple(name for name in LORA_TOWERS if name in learner.towers)
