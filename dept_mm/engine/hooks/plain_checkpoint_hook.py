"""A hook that keeps pickled classes out of checkpoints, for safe loading."""
import logging
from collections import Counter, OrderedDict
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, print_log

from dept_mm.registry import HOOKS

_PLAIN = (str, bytes, bool, int, float, complex, type(None), torch.Tensor,
          torch.Size, torch.dtype, torch.device)
# Number of logged values to keep of each kind: more than any window they are
# averaged over. Keeping all would outgrow the learned parameters; the run's
# scalars.json has all of them.
KEPT = 100
_BUFFER_KEYS = {'log_history', 'count_history', 'max_length'}


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Keeps a training checkpoint free of pickled classes.

    MMEngine stores NumPy scalars and the ``HistoryBuffer`` objects of its
    message hub, which hold the logged values. ``torch.load`` refuses both by
    default since torch 2.6, so that a run could not be resumed. This hook
    writes only lists, dicts, numbers, strings and tensors, keeps the newest
    values of each buffer, and rebuilds the buffers when a checkpoint is
    loaded.

    Weights (keys that end in ``state_dict``) stay as they are. A value that
    cannot be expressed in these types is dropped with a warning that says
    where it was.

    Config::

        default_hooks = dict(
            plain_checkpoint=dict(type='PlainCheckpointHook'))
    """

    # Runs last, to see what the other hooks put into the checkpoint.
    priority = 'LOWEST'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Replace values that a safe load refuses, in place.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The checkpoint about to be saved.
        """
        for key, value in checkpoint.items():
            if not key.endswith('state_dict'):
                checkpoint[key] = make_plain(value, key)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Rebuild the buffers of the message hub, in place.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint. One without a message
                hub, or one written without this hook, stays as it is.
        """
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        for name, value in scalars.items():
            if isinstance(value, dict) and value.keys() == _BUFFER_KEYS:
                scalars[name] = _dict_to_buffer(value)


def make_plain(value: Any, where: str = 'value') -> Any:
    """Rebuild a value from types that a safe load accepts.

    NumPy arrays become lists, paths become strings, and subclasses of
    ``dict``, ``list``, ``tuple`` and ``str`` become their base class.

    Args:
        value (Any): The value.
        where (str): Its place in the checkpoint, for the warning.

    Returns:
        Any: The plain value, or None if there is no plain form of it.
    """
    # Subclasses such as `np.float64` (a float) and enums are not plain.
    if type(value) in _PLAIN or isinstance(value, torch.Tensor):
        return value
    if isinstance(value, HistoryBuffer):
        return _buffer_to_dict(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return make_plain(value.tolist(), where)
    if isinstance(value, dict):
        # A safe load accepts these two subclasses; schedulers use Counter.
        kind = next((k for k in (OrderedDict, Counter)
                     if isinstance(value, k)), dict)
        return kind({
            make_plain(k, f'{where} (a key)'): make_plain(v, f'{where}.{k}')
            for k, v in value.items()
        })
    for kind in (list, tuple, set):
        if isinstance(value, kind):
            return kind(
                make_plain(v, f'{where}[{i}]') for i, v in enumerate(value))
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)  # str(enum) would be 'Class.NAME'
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    print_log(
        f'{where} ({type(value).__name__}) is left out of the checkpoint: it '
        'could not be loaded safely.',
        logger='current',
        level=logging.WARNING)
    return None


def _buffer_to_dict(buffer: HistoryBuffer) -> dict[str, Any]:
    log, count = (torch.from_numpy(array[-KEPT:].copy())
                  for array in buffer.data)
    return dict(
        log_history=log, count_history=count, max_length=buffer.max_length)


def _dict_to_buffer(plain: dict[str, Any]) -> HistoryBuffer:
    return HistoryBuffer(plain['log_history'].cpu().numpy(),
                         plain['count_history'].cpu().numpy(),
                         plain['max_length'])
