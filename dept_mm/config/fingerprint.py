"""The fingerprint of a config: a hash of all options that can change a result.

Two runs with the same fingerprint give the same numbers, up to library
versions, data and hardware.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

# Options for where a run writes, what it prints and how processes start.
_KEYS = frozenset((
    'work_dir', 'launcher', 'resume', 'experiment_name', 'log_level',
    'log_processor', 'visualizer', 'vis_backends', 'model_wrapper_cfg',
    'find_unused_parameters'))
_HOOKS = frozenset(('timer', 'logger', 'checkpoint', 'visualization', 'cost'))
_ENVIRONMENT = frozenset(('mp_cfg', 'dist_cfg', 'resource_limit'))
# Options for how samples reach the model. With `EpochSampler`, augmentation
# does not depend on the workers.
_LOADER = frozenset(('num_workers', 'persistent_workers', 'pin_memory',
                     'prefetch_factor', 'timeout'))
_COLLATE = dict(type='default_collate')


def config_fingerprint(cfg: Config | Mapping) -> str:
    """Compute the fingerprint of a resolved config, a sha256.

    Options that cannot change a result are left out: where a run writes,
    logging, visualisation, checkpoint intervals, data loader workers, the
    launcher, resuming, and an exact feature store (one without ``views``, or
    with 0). The config of a file therefore has the same fingerprint as that of
    the runner built from it. Weights to start from (``load_from``, and
    ``pretrained`` wherever it names a file) count by the content of their
    file, not by its path.

    Args:
        cfg (Config | Mapping): The config, which is not changed.

    Returns:
        str: 64 hexadecimal digits.
    """
    text = json.dumps(config_settings(cfg), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def config_settings(cfg: Config | Mapping) -> dict:
    """Return the options that the fingerprint covers, in JSON types."""
    given = cfg.to_dict() if isinstance(cfg, (Config, ConfigDict)) else cfg
    found = json.loads(json.dumps(_select_relevant(given), default=_to_json))
    return _replace_paths(found)


def _select_relevant(cfg: Mapping) -> dict:
    """Select the options that can change a result."""
    kept = {k: v for k, v in cfg.items() if k not in _KEYS}
    start = kept.pop('load_from', None)
    if not cfg.get('resume'):  # else that of an uninterrupted run
        kept['load_from'] = _identify_weights(start)
    for key, without in (('default_hooks', _HOOKS), ('env_cfg', _ENVIRONMENT)):
        kept[key] = _drop_keys(kept.get(key), without)
    kept['custom_hooks'] = [
        hook for hook in map(_select_hook, kept.get('custom_hooks') or [])
        if hook]
    for key, value in kept.items():
        if key.endswith('_dataloader'):
            kept[key] = _drop_keys(value, _LOADER)
            if kept[key].get('collate_fn') == _COLLATE:
                del kept[key]['collate_fn']  # the tools fill this in
    # An empty option equals one that is left out, e.g. `load_from = None`.
    return {k: v for k, v in kept.items() if v not in (None, {}, [])}


def _replace_paths(node: Any) -> Any:
    """Let files of pretrained weights count by their content."""
    if isinstance(node, list):
        return [_replace_paths(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {key: _identify_weights(value)
            if key == 'pretrained' and isinstance(value, str)
            else _replace_paths(value) for key, value in node.items()}


def _identify_weights(path: str | None) -> str | None:
    """Return the hash of a local file, or the path of any other."""
    file = Path(path or '').expanduser()
    if not file.is_file():
        return path
    state = file.stat()
    return _hash_file(file, state.st_size, state.st_ctime_ns)


@cache
def _hash_file(file: Path, size: int, changed: int) -> str:
    """Hash a file, once for as long as it does not change."""
    found = hashlib.sha256()
    with file.open('rb') as opened:
        while part := opened.read(2**20):
            found.update(part)
    return found.hexdigest()


def _drop_keys(node: Any, keys: frozenset) -> dict:
    return {k: v for k, v in (node or {}).items() if k not in keys}


def _select_hook(hook: Any) -> Any:
    """Return a custom hook, or None if it is an exact feature store."""
    if not isinstance(hook, Mapping) or hook.get('type') not in (
            'FeatureStoreHook', 'mmpretrain.FeatureStoreHook'):
        return hook
    views = hook.get('views')
    return dict(type='FeatureStoreHook', views=views) if views else None


def _to_json(value: Any) -> str | list:
    """Convert a value that JSON cannot hold to a text.

    The text is the same in every process, unlike a representation with an
    address.
    """
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    name = getattr(value, '__qualname__', None)  # a class or a function
    return f'{value.__module__}.{name}' if name else str(value)
