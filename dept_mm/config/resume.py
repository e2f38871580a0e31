"""Tell which options may change when a run is resumed."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dept_mm.config.fingerprint import config_settings
from dept_mm.errors import DeptError

# Beside what `config_settings` leaves out. Other options are part of what the
# checkpoint holds (MMEngine goes on with the optimizer and the schedule in it
# and reads no new ones), or would mix two experiments.
FREE = re.compile(
    r'train_cfg\.(max_epochs|max_iters|val_\w+)|(val|test|tta)_.*'
    r'|default_hooks\..*|load_from|(.*\.)?(data_root|pretrained)')


def check_resumed(before: Mapping, now: Mapping) -> None:
    """Check that options which a resumed run cannot change are as before.

    Args:
        before (Mapping): The config in the checkpoint.
        now (Mapping): The config of the resumed run.

    Raises:
        DeptError: If one has changed; the message names it and what may.
    """
    old, new = (dict(flatten_settings(config_settings(cfg)))
                for cfg in (before, now))
    changed = [f'{key}: {old.get(key, "absent")} in the checkpoint, '
               f'{new.get(key, "absent")} now'
               for key in sorted(old.keys() | new.keys())
               if old.get(key) != new.get(key) and not FREE.fullmatch(key)]
    if changed:
        raise DeptError(
            'A resumed run goes on with the options of its checkpoint; these '
            'differ:\n  ' + '\n  '.join(changed[:10]) + '\nWhat may change '
            'on resuming: train_cfg.max_epochs, max_iters and val_*, val_* '
            'and test_*, default_hooks.*, work_dir, logging, visualization, '
            'workers, and where data and weights lie (data_root, '
            'pretrained). For anything else, train anew in another work dir, '
            'with load_from=CHECKPOINT to start from its weights.')


def flatten_settings(node: Any, path: str = ''
                     ) -> Iterator[tuple[str, Any]]:
    """List the dotted names of all options and their values."""
    items = (node.items() if isinstance(node, Mapping)
             else enumerate(node) if isinstance(node, list) else None)
    if not items:
        yield path, node
    for key, value in items or ():
        yield from flatten_settings(value, f'{path}.{key}' if path
                                    else str(key))
