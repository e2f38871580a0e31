"""Choose among option sets of one experiment by validation accuracy."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import mean

from dept_mm.config.resume import flatten_settings
from dept_mm.errors import DeptError
from dept_mm.evaluation import list_metrics

NAMED = 5  # options of a choice, at most
Runs = dict[Path, Mapping]


def choose_recipes(results: Mapping[Path, Mapping]) -> tuple[Runs, list[str]]:
    """Keep the option set with the best validation of each experiment.

    An experiment is a config on a data set with a protocol and a number of
    shots. Its runs may differ in other options; the set of options with the
    highest mean over seeds is kept, among equally good ones the first.

    Args:
        results (Mapping): Path -> content of ``result.json``.

    Returns:
        tuple: The results that are kept, and what was chosen, in words.

    Raises:
        DeptError: If there is a choice, but a run has no validation, or the
            option sets have different seeds.
    """
    groups: dict[tuple, dict[str, Runs]] = {}
    for path, result in sorted(results.items()):
        key = tuple(result.get(k) for k in ('config', 'dataset', 'protocol',
                                            'shots'))
        groups.setdefault(key, {}).setdefault(result['recipe'], {})[
            path] = result
    kept: Runs = {}
    notes = []
    for key, recipes in groups.items():
        if len(recipes) == 1:
            kept.update(*recipes.values())
            continue
        _check_seeds(recipes)
        scores = {recipe: mean(_validation(path, result)
                               for path, result in runs.items())
                  for recipe, runs in recipes.items()}
        best = max(scores, key=scores.__getitem__)
        kept.update(recipes[best])
        notes.append(
            f'{key[0]} on {key[1]}: {_describe(best, recipes)} '
            f'({scores[best]:.2f} on validation data, the best of '
            f'{len(recipes)} option sets)')
    return kept, notes


def _validation(path: Path, result: Mapping) -> float:
    """Return the accuracy, or the first metric, of the chosen epoch."""
    row = result['results'].get('selection')
    if not row:
        raise DeptError(
            f'--choose val: {path} has no accuracy on validation data. Train '
            'with --select val, or a language model with the options '
            'val_dataloader.dataset.split=val '
            'default_hooks.checkpoint.save_best=auto.')
    return next(iter(list_metrics(next(iter(row.values()))).values()))


def _check_seeds(recipes: Mapping[str, Runs]) -> None:
    """Refuse to compare means over different seeds."""
    seeds = {path: frozenset(result['seed'] for result in runs.values())
             for runs in recipes.values() for path in list(runs)[:1]}
    if len(set(seeds.values())) > 1:
        raise DeptError('--choose val: these option sets have different '
                        'seeds: ' + ', '.join(
                            f'{path.parent} and others {sorted(found)}'
                            for path, found in seeds.items()))


def _describe(best: str, recipes: Mapping[str, Runs]) -> str:
    """Name the options in which an option set differs from others."""
    settings = {recipe: dict(flatten_settings(
        next(iter(runs.values())).get('settings') or {}))
        for recipe, runs in recipes.items()}
    keys = sorted({key for one in settings.values() for key in one
                   if len({repr(other.get(key))
                           for other in settings.values()}) > 1
                   and not key.endswith('seed')})
    return ', '.join(f'{key}={settings[best].get(key)}'
                     for key in keys[:NAMED]) or 'unknown options'
