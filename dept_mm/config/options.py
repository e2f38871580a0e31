"""Change a parsed config where one value is used in many places.

Base files define ``clip`` and ``dataset`` once; model, pipelines and data
loaders refer to them as ``_base_.clip`` and ``_base_.vocabulary``. MMEngine
resolves these references while it parses, so that ``--cfg-options`` alone
would change the top-level definition and no place that refers to it.
"""
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from mmengine.config import Config

from dept_mm.config.check import check_names
from dept_mm.errors import DeptError

# A definition at the top level -> the keys under which configs refer to it.
PLACES = dict(
    clip=('clip', ), lm=('lm', ), dataset=('vocabulary', 'task', 'text'),
    targets=('datasets', ))


def apply_options(cfg: Config, options: dict[str, Any] | None) -> None:
    """Merge options into a config, and into the places that refer to its
    definitions.

    An option for ``clip``, ``lm``, ``dataset`` or ``targets`` at the top level
    of a config reaches these places, too:

    * ``clip``: every dict under a key ``clip``, at any depth;
    * ``lm``: every dict under a key ``lm``;
    * ``dataset``: every dict under a key ``vocabulary``, ``task`` or ``text``,
      and the ``dataset`` of every ``*_dataloader``, inside wrappers;
    * ``targets``, the further data sets of a protocol: every dict under a key
      ``datasets``.

    A place with another ``name`` or ``type`` than the definition's, such as a
    second CLIP or a hook, is left alone. What a place has beside the
    definition, such as ``split`` and ``pipeline``, stays. Options are applied
    in two steps, so an option for one place
    (``test_dataloader.dataset.split=...``) wins over the same option for the
    definition.

    Args:
        cfg (Config): The config, changed in place.
        options (dict, optional): Dotted keys and values, as ``--cfg-options``
            gives them.

    Raises:
        DeptError: If an option does not fit the config, or nothing reads it.

    Examples:
        >>> cfg = Config(dict(clip=dict(name='RN50'),
        ...                   model=dict(clip=dict(name='RN50'))))
        >>> apply_options(cfg, {'clip.name': 'ViT-B-16'})
        >>> cfg.model.clip.name
        'ViT-B-16'
    """
    options = dict(options or {})
    check_names(cfg, options)
    try:
        for name, changes in _split_by_definition(cfg, options).items():
            # All places are found before the first one changes.
            for place in list(_find_places(cfg, name)):
                _merge(place, changes)
        cfg.merge_from_dict(options)
    # Whatever MMEngine says to a key that leads nowhere.
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DeptError(f'The options {list(options)} do not fit the config: '
                        f'{str(error)[:300]}') from error


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
    """Group the options that change a definition, without its name.

    Returns:
        dict: Name of the definition -> dotted key inside it -> value.
    """
    groups: dict[str, dict[str, Any]] = {}
    for key, value in options.items():
        name, _, rest = key.partition('.')
        if name not in PLACES or not isinstance(cfg.get(name), dict):
            continue
        if rest:
            groups.setdefault(name, {})[rest] = value
        elif isinstance(value, dict):
            groups.setdefault(name, {}).update(value)
    return groups


def _find_places(cfg: Config, name: str) -> Iterator[dict]:
    """Find the dicts that refer to a definition."""
    definition = cfg[name]
    found = [value for key, value in _entries(dict(cfg.items()))
             if key in PLACES[name]]
    if name == 'dataset':
        for key in cfg:
            if key.endswith('_dataloader'):
                found += _datasets(cfg[key])
    for place in found:
        if (isinstance(place, dict) and place is not definition
                and all(place.get(key) == definition.get(key)
                        for key in ('name', 'type'))):
            yield place


def _entries(node: Any) -> Iterator[tuple[str, Any]]:
    """Walk dicts and lists, yielding the keys and values of dicts."""
    if isinstance(node, dict):
        yield from node.items()
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _entries(child)


def _datasets(node: Any) -> Iterator[dict]:
    """Find the data sets of one or several loaders, inside wrappers."""
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from _datasets(child)
    elif isinstance(node, dict):
        for key in ('dataset', 'datasets'):
            if key in node:
                yield from _datasets(node[key])
        if 'type' in node and not {'dataset', 'datasets'} & set(node):
            yield node


def _merge(place: dict, changes: dict[str, Any]) -> None:
    # One level down, because a config reserves top-level names.
    wrapped = Config(dict(place=place))
    # A deep copy, because merging consumes `_delete_` and shares lists.
    wrapped.merge_from_dict(
        {f'place.{k}': v for k, v in deepcopy(changes).items()})
    merged = dict(wrapped.place.items())
    place.clear()
    place.update(merged)
