"""What a run depends on, as one short text."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config, ConfigDict

# Where a run writes, what it prints, and how processes are started.
_KEYS = frozenset((
    'work_dir', 'launcher', 'resume', 'experiment_name', 'log_level',
    'log_processor', 'visualizer', 'vis_backends', 'model_wrapper_cfg',
    'find_unused_parameters'))
_HOOKS = frozenset(('timer', 'logger', 'checkpoint', 'visualization', 'cost'))
_ENVIRONMENT = frozenset(('mp_cfg', 'dist_cfg', 'resource_limit'))
# How samples reach the model. Augmentation does not depend on the workers
# with `EpochSampler`.
_LOADER = frozenset(('num_workers', 'persistent_workers', 'pin_memory',
                     'prefetch_factor', 'timeout'))
_COLLATE = dict(type='default_collate')


def config_fingerprint(cfg: Config | Mapping) -> str:
    """Sha256 of a resolved config: two runs with the same one give the same
    numbers, up to versions, data and hardware.

    Left out is what cannot change a number: where a run writes, logging,
    visualisation, checkpoint intervals, workers of the data loaders, the
    launcher, resuming, and a feature store, unless it approximates (``views``
    above 0). So a config as it was loaded and that of its runner agree.

    Args:
        cfg (Config | Mapping): The config; it stays as it is.

    Returns:
        str: 64 hexadecimal digits.
    """
    text = json.dumps(config_settings(cfg), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def config_settings(cfg: Config | Mapping) -> dict:
    """What the fingerprint is taken over, in JSON types."""
    given = cfg.to_dict() if isinstance(cfg, (Config, ConfigDict)) else cfg
    return json.loads(json.dumps(_essence(given), default=_plain))


def _essence(cfg: Mapping) -> dict:
    """The config without what cannot change a number."""
    kept = {k: v for k, v in cfg.items() if k not in _KEYS}
    if cfg.get('resume'):  # as if it had not been interrupted
        kept.pop('load_from', None)
    for key, without in (('default_hooks', _HOOKS), ('env_cfg', _ENVIRONMENT)):
        kept[key] = _without(kept.get(key), without)
    kept['custom_hooks'] = [
        hook for hook in map(_hook, kept.get('custom_hooks') or []) if hook]
    for key, value in kept.items():
        if key.endswith('_dataloader'):
            kept[key] = _without(value, _LOADER)
            if kept[key].get('collate_fn') == _COLLATE:
                del kept[key]['collate_fn']  # what the tools fill in
    # A config may leave out what is nothing, e.g. `load_from = None`.
    return {k: v for k, v in kept.items() if v not in (None, {}, [])}


def _without(node: Any, keys: frozenset) -> dict:
    return {k: v for k, v in (node or {}).items() if k not in keys}


def _hook(hook: Any) -> Any:
    """A custom hook, or None for a feature store that is exact."""
    if not isinstance(hook, Mapping) or hook.get('type') not in (
            'FeatureStoreHook', 'mmpretrain.FeatureStoreHook'):
        return hook
    views = hook.get('views')
    return dict(type='FeatureStoreHook', views=views) if views else None


def _plain(value: Any) -> str | list:
    """What JSON does not know, the same in every process."""
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    name = getattr(value, '__qualname__', None)  # a class or a function
    return f'{value.__module__}.{name}' if name else str(value)
