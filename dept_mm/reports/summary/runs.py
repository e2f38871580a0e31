"""Grouping the results of runs by method, data set and seed."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dept_mm.errors import DeptError
from dept_mm.evaluation import list_metrics

# Configs of this package are named METHOD_..._DATASET-PROTOCOL.
_NAME = re.compile(r'(.+)_[^_]+-(b2n|gb2n|xd|dg|fewshot)')
DEPT = 'dept-'


@dataclass
class Method:
    """All runs of one config, over data sets and seeds.

    Attributes:
        name (str): Name of the config without its data set. Two methods whose
            names differ only in the prefix ``dept-`` are compared.
        value (optional): Value of the option that tells methods of one name
            apart.
        aside (bool): Whether it was measured in runs of other methods.
        sources (set): Data sets that were trained on.
        values (dict): Data set -> metric (the accuracy on half 'base' or
            'new', or a metric of the task) -> seed -> value in %.
        costs (dict): Cost -> its value in each run; see ``list_costs``.
    """
    name: str
    value: Any = None
    aside: bool = False
    sources: set[str] = field(default_factory=set)
    values: dict[str, dict[str, dict[int, float]]] = field(
        default_factory=dict)
    costs: dict[str, list[float]] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The first part of the name, as in published tables."""
        return self.name.split('/')[-1].split('_')[0]


def split_name(config: str) -> tuple[str, str]:
    """Split the name of a config into the name of its row and its protocol.

    The protocol is '' if the name has none.

    Examples:
        >>> split_name('coop/coop_vit-base-p16_16shot_caltech101-b2n')
        ('coop_vit-base-p16_16shot', 'b2n')
        >>> split_name('dept/quickstart')
        ('dept/quickstart', '')
    """
    found = _NAME.fullmatch(config.split('/')[-1])
    return (found[1], found[2]) if found else (config, '')


def group_results(results: Mapping[Path, Mapping], by: str | None = None
          ) -> dict[tuple, dict[str, Method]]:
    """Group results by protocol and number of shots, then by method.

    The zero-shot CLIP that runs measure beside their own model becomes a
    method of its own, one for each CLIP. It has no seeds: the first run's
    counts are used.

    Args:
        results (Mapping): Path -> content of ``result.json``.
        by (str, optional): An option of the config, such as
            ``model.head.fusion_weight``. Runs with different values of it
            become different methods. With ``'shots'``, all numbers of shots
            share a table.

    Returns:
        dict: (protocol, shots) -> label of a method -> its runs.

    Raises:
        DeptError: If two results of one config, data set and seed differ, if
            the runs of a method differ in an option other than the seed, or
            if several checkpoints of one run were tested.
    """
    tables: dict[tuple, dict[str, Method]] = {}
    seen: dict[tuple, tuple[Path, Mapping]] = {}
    # The result of a training counts before a later test of the same run.
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
        value = _read_option(result, by, path)
        label = label_row(name, by, value) + _label_selection(result)
        repeated = _check_repeated(
            seen, (protocol, shots, label, result['dataset']), path, result)
        method = table.setdefault(label, Method(name, value))
        method.sources.add(result['dataset'])
        if not repeated:
            _add_metrics(method, row, result['seed'])
            for cost, value in list_costs(result).items():
                method.costs.setdefault(cost, []).append(value)
        if 'zero-shot' in rows:
            name = f'zero-shot_{(result["clip"] or {}).get("name", "")}'
            zero_shot = table.setdefault(name, Method(name, aside=True))
            zero_shot.sources.add(result['dataset'])
            _add_metrics(zero_shot, rows['zero-shot'], 0)
    return {key: table for key, table in tables.items() if table}


def label_row(name: str, option: str | None, value: Any) -> str:
    """Return the label of a row: its name and the value of an option."""
    if value is None:
        return name
    return f'{name}, {option.rpartition(".")[2]}={value}'


def _label_selection(result: Mapping) -> str:
    """Return what a label says of a run that chose its epoch."""
    chosen = result.get('selection')
    return f', epoch chosen on {chosen["split"]}' if chosen else ''


def _read_option(result: Mapping, key: str | None, path: Path) -> Any:
    """Return the value of an option of a run's config, or None without it.

    Raises:
        DeptError: If the result does not hold the options.
    """
    if key in (None, 'shots'):
        return key and result['shots']
    node = result.get('settings')
    if node is None:
        raise DeptError(f'{path} does not hold the options of its run: an '
                        'earlier version of dept_mm wrote it. Repeat the run.')
    for part in key.split('.'):
        if isinstance(node, list) and part.isdigit():
            node = dict(enumerate(node))
            part = int(part)
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _check_repeated(seen: dict, key: tuple, path: Path, result: Mapping
                    ) -> bool:
    """Return whether a result was there before, such as a test after training.

    Raises:
        DeptError: If it contradicts an earlier result.
    """
    other, first = seen.setdefault(key, (path, result))
    ours, own = seen.setdefault((*key, result['seed']), (path, result))
    for what, one, earlier in (('recipe', first, other),
                               ('fingerprint', own, ours)):
        if one[what] != result[what]:
            raise DeptError(
                f'{earlier} and {path} have the same config and data set, but '
                'different options: their mean is meaningless. Name the '
                'option they differ in with --by, or summarize their folders '
                'one by one.')
    if 'tuned' not in own['results'] and own['results'] != result['results']:
        raise DeptError(f'{ours} and {path} are tests of two checkpoints of '
                        'one run: summarize their folders one by one.')
    return ours != path


def _add_metrics(method: Method, row: Mapping, seed: int) -> None:
    """Add the metrics of one row of a result to a method."""
    for dataset, found in row.items():
        metrics = method.values.setdefault(dataset, {})
        for metric, value in list_metrics(found).items():
            metrics.setdefault(metric, {}).setdefault(seed, value)


def list_costs(result: Mapping) -> dict[str, float]:
    """List what a training took, as far as it is known.

    Returns:
        dict: Seconds of training, GB of peak memory, of the GPU if there was
        one, and trained parameters, by names for an axis.
    """
    if 'tuned' not in result['results']:
        return {}
    memory = result.get('peak_memory') or {}
    used = memory.get('cuda') or memory.get('process')
    seconds = (result.get('seconds') or {}).get('train')
    return {name: value for name, value in (
        ('training in s', seconds), ('peak memory in GB', used and used / 1e9),
        ('trained parameters', result.get('parameters'))
    ) if value is not None}
