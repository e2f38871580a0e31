"""The header of an adapter; see :mod:`dept_mm.exchange.adapter_file`."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from dept_mm.errors import DeptError
from dept_mm.evaluation.conformal import MOST, SET_SCORES
from dept_mm.evaluation.none_of_these import KNOWN_SCORES
from dept_mm.structures import Vocabulary

FORMAT, TEXT_FORMAT = 1, 2
FIELDS = 'modules', 'recipe', 'versions'


def parse_header(path: Path, text: str) -> dict:
    """Parse the header and check the types of its fields.

    Raises:
        DeptError: If it is not JSON, has another format, or is incomplete.
    """
    try:
        header = json.loads(text)
        found = header['format']
        if found not in (FORMAT, TEXT_FORMAT):
            raise DeptError(
                f'{path} is of format {found!r:.50}, but this version reads '
                f'{FORMAT} and {TEXT_FORMAT}: pip install -U dept-mm.')
        wrong = [field for field in FIELDS
                 if not isinstance(header[field], dict)]
        modules = header['modules']
        lists = [module.get('classes', []) for module in modules.values()]
        if found == TEXT_FORMAT:
            lists.append(modules['']['classes'])
        else:
            lists += header['vocabulary'].values()
        _check_calibration(header.get('calibration', dict(temperature=1.)))
        if wrong or not all(isinstance(names, list) and all(
                isinstance(name, str) for name in names) for names in lists):
            raise TypeError(f'wrong types: {wrong or "class names"}')
        if found == FORMAT:
            Vocabulary(**header['vocabulary'])
    except DeptError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError,
            RecursionError) as error:
        raise make_damage_error(path, f'header: {error!r:.200}') from error
    return header


def _check_calibration(found: Mapping) -> None:
    """Check what an adapter says of its calibration.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: If it is wrong.
    """
    temperature = found['temperature']
    if not 1e-6 < temperature < 1e6:
        raise ValueError(f'temperature {temperature!r:.50}')
    if not found.keys() <= {'temperature', 'validation_scores',
                            'distance_aware'} or not isinstance(
                                found.get('distance_aware', False), bool):
        raise ValueError(f'calibration with {list(found)!r:.100}')
    for kind, scores in found.get('validation_scores', {}).items():
        if kind not in (*SET_SCORES, *KNOWN_SCORES) or (
                not 0 < len(scores) <= MOST or scores != sorted(scores)
                or not all(-1e6 < x < 1e6 for x in scores)):
            raise ValueError(f'validation scores {kind!r:.50}')


def make_damage_error(path: Path, why) -> DeptError:
    """Build the error that reports a damaged file."""
    return DeptError(f'{path} is damaged or not a safetensors file ({why}). '
                     'Nothing in it was used; download it again.')
