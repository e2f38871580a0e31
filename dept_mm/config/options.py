"""Change a parsed config where a value was written once and used often.

Base files define ``clip`` and ``dataset`` once; model, pipelines and data
loaders refer to them as ``_base_.clip`` and ``_base_.dataset``. MMEngine
resolves these references while it parses, so that ``--cfg-options`` alone
would change the top-level definition and none of its copies.
"""
import inspect
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from dept_mm.errors import DeptError

# Top-level keys that the runner itself reads define nothing to refer to, and
# a short one such as `randomness=dict(seed=0)` would be found by accident.
_RUNNER_KEYS = frozenset(inspect.signature(Runner).parameters)


def apply_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Merge options into a config and into all copies of its definitions.

    A definition is a dict at the top level that is none of the runner's own
    arguments. A copy of it is any dict, at any depth, that holds all of its
    items; it may hold more of them. Options are applied in two steps, so an
    option for one place (``test_dataloader.dataset.split=...``) wins over the
    same option for the definition.

    Args:
        cfg (Config): The config, changed in place.
        options (dict, optional): Dotted keys and values, as ``--cfg-options``
            gives them.

    Raises:
        DeptError: If an option does not fit the config.

    Examples:
        >>> cfg = Config(dict(clip=dict(name='RN50'),
        ...                   model=dict(clip=dict(name='RN50'))))
        >>> apply_options(cfg, {'clip.name': 'ViT-B-16'})
        >>> cfg.model.clip.name
        'ViT-B-16'
    """
    options = dict(options or {})
    try:
        for name, changes in _split_by_definition(cfg, options).items():
            # All copies are found before the first one changes.
            for place in list(_find_copies(cfg, name)):
                _merge(place, changes)
        cfg.merge_from_dict(options)
    # Whatever MMEngine says to a key that leads nowhere.
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DeptError(f'The options {list(options)} do not fit the config: '
                        f'{str(error)[:300]}') from error


def replace_definition(cfg: Config, name: str, new: dict) -> None:
    """Put another definition in the place of one, and of all its copies.

    What a copy holds beside the definition stays, e.g. the ``split`` and the
    ``pipeline`` of a data loader's data set.

    Args:
        cfg (Config): The config, changed in place.
        name (str): The definition's top-level key.
        new (dict): The new one.

    Raises:
        DeptError: If the config has no such definition.
    """
    if not isinstance(cfg.get(name), dict):
        raise DeptError(f'The config defines no {name!r} to replace.')
    for place in list(_find_copies(cfg, name)):
        for key in cfg[name]:
            del place[key]
        place.update(deepcopy(new))
    cfg[name] = deepcopy(new)


def set_seed_options(cfg: Config, seed: int) -> None:
    """Set the seed of the run and, if a data set is drawn, of the draw.

    Args:
        cfg (Config): The config, changed in place.
        seed (int): The seed.
    """
    options = {'randomness.seed': seed}
    if isinstance(cfg.get('dataset'), dict):
        options['dataset.seed'] = seed
    apply_options(cfg, options)


def _split_by_definition(cfg: Config, options: dict[str, Any]
                         ) -> dict[str, dict[str, Any]]:
    """Group the options that change a definition, less its name.

    Returns:
        dict: Name of the definition -> dotted key inside it -> value.
    """
    groups: dict[str, dict[str, Any]] = {}
    for key, value in options.items():
        name, _, rest = key.partition('.')
        if name in _RUNNER_KEYS or not isinstance(cfg.get(name), dict):
            continue
        if rest:
            groups.setdefault(name, {})[rest] = value
        elif isinstance(value, dict):
            groups.setdefault(name, {}).update(value)
    return groups


def _find_copies(cfg: Config, name: str) -> Iterator[dict]:
    definition = cfg[name]
    if not definition:  # every dict holds all items of an empty one
        return
    for key in cfg:
        if key != name:
            yield from _supersets(cfg[key], definition)


def _supersets(node: Any, part: dict) -> Iterator[dict]:
    """Walk dicts and lists, yielding dicts that hold all items of a part."""
    if isinstance(node, dict):
        if all(key in node and node[key] == part[key] for key in part):
            yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _supersets(child, part)


def _merge(place: dict, changes: dict[str, Any]) -> None:
    # One level down, because a config reserves top-level names.
    wrapped = Config(dict(place=place))
    # A deep copy, because merging consumes `_delete_` and shares lists.
    wrapped.merge_from_dict(
        {f'place.{k}': v for k, v in deepcopy(changes).items()})
    merged = dict(wrapped.place.items())
    place.clear()
    place.update(merged)
