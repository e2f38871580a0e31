"""Results of runs, ordered by method, data set and seed."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dept_mm.errors import DeptError
from dept_mm.evaluation import accuracy

# METHOD_..._DATASET-PROTOCOL, as the configs of this package are named.
_NAME = re.compile(r'(.+)_[^_]+-(b2n|gb2n|xd|dg|fewshot)')
HALVES = ('base', 'new')
DEPT = 'dept-'


@dataclass
class Method:
    """All runs of one config, over data sets and seeds.

    Attributes:
        name (str): Config without its data set; rows of equal name but for
            ``dept-`` are compared.
        value (optional): Of the option that tells rows of one name apart.
        aside (bool): Whether runs of other methods measured it.
        sources (set): Data sets trained on.
        values (dict): Data set -> half -> seed -> accuracy in %.
    """
    name: str
    value: Any = None
    aside: bool = False
    sources: set[str] = field(default_factory=set)
    values: dict[str, dict[str, dict[int, float]]] = field(
        default_factory=dict)

    @property
    def method(self) -> str:
        """The first part of the name, as published tables are keyed."""
        return self.name.split('_')[0]


def split_name(config: str) -> tuple[str, str]:
    """Name of the row of a config, and the protocol if its name has one.

    Examples:
        >>> split_name('coop/coop_vit-base-p16_16shot_caltech101-b2n')
        ('coop_vit-base-p16_16shot', 'b2n')
        >>> split_name('dept/quickstart')
        ('dept/quickstart', '')
    """
    found = _NAME.fullmatch(config.split('/')[-1])
    return (found[1], found[2]) if found else (config, '')


def group(results: Mapping[Path, Mapping], by: str | None = None
          ) -> dict[tuple, dict[str, Method]]:
    """Order results by protocol and shots, then by method.

    Rows of zero-shot CLIP that runs measured on the side become a method
    of their own, one for each CLIP, without seeds: the first run's count.

    Args:
        results (Mapping): Path -> content of ``result.json``.
        by (str, optional): Runs with different values of this option of the
            config are methods of their own, e.g.
            ``model.head.fusion_weight``; or ``shots``, which then share a
            table.

    Returns:
        dict: (protocol, shots) -> label of a method -> runs.

    Raises:
        DeptError: If two results are of one config, data set and seed but
            differ, or runs over seeds have different options.
    """
    tables: dict[tuple, dict[str, Method]] = {}
    seen: dict[tuple, tuple[Path, Mapping]] = {}
    # A training counts before a later test of the same run.
    for path, result in sorted(results.items(), key=lambda item: (
            'tuned' not in item[1]['results'], item[0])):
        name, protocol = split_name(result['config'] or path.parent.name)
        # The name is that of the leaf, whatever --protocol was chosen.
        protocol = result.get('protocol') or protocol
        shots = None if by == 'shots' else result['shots']
        table = tables.setdefault((protocol, shots), {})
        rows = result['results']
        row = rows.get('tuned', rows.get('tested'))
        if row is None:
            continue
        value = _option(result, by, path)
        label = row_label(name, by, value)
        same = _check(seen, (protocol, shots, label, result['dataset']), path,
                      result)
        method = table.setdefault(label, Method(name, value))
        method.sources.add(result['dataset'])
        if not same:
            _add(method, row, result['seed'])
        if 'zero-shot' in rows:
            name = f'zero-shot_{(result["clip"] or {}).get("name", "")}'
            zero_shot = table.setdefault(name, Method(name, aside=True))
            zero_shot.sources.add(result['dataset'])
            _add(zero_shot, rows['zero-shot'], 0)
    return {key: table for key, table in tables.items() if table}


def row_label(name: str, option: str | None, value: Any) -> str:
    """Name of a row, with the value of an option if it has one."""
    if value is None:
        return name
    return f'{name}, {option.rpartition(".")[2]}={value}'


def _option(result: Mapping, key: str | None, path: Path) -> Any:
    """Value of an option of a run's config; None where it has none.

    Raises:
        DeptError: If the result does not say.
    """
    if key in (None, 'shots'):
        return key and result['shots']
    node = result.get('settings')
    if node is None:
        raise DeptError(f'{path} does not tell its options: an earlier '
                        'version of dept_mm wrote it. Repeat the run.')
    for part in key.split('.'):
        if isinstance(node, list) and part.isdigit():
            node = dict(enumerate(node))
            part = int(part)
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _check(seen: dict, key: tuple, path: Path, result: Mapping) -> bool:
    """Whether a result was there before, e.g. of a test after training.

    Raises:
        DeptError: If it contradicts one.
    """
    other, first = seen.setdefault(key, (path, result))
    ours, own = seen.setdefault((*key, result['seed']), (path, result))
    for what, one, earlier in (('recipe', first, other),
                               ('fingerprint', own, ours)):
        if one[what] != result[what]:
            raise DeptError(
                f'{earlier} and {path} are of one config and data set, but '
                'not of the same options: their mean says nothing. Name the '
                'option they differ in with --by, or summarize their folders '
                'one by one.')
    return ours != path


def _add(method: Method, row: Mapping, seed: int) -> None:
    """Put one row of a result to its method's values."""
    for dataset, counts in row.items():
        halves = method.values.setdefault(dataset, {})
        for half in HALVES:
            value = accuracy(counts.get(half))
            if value is not None:
                halves.setdefault(half, {}).setdefault(seed, value)
