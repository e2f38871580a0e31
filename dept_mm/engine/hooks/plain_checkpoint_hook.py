"""Checkpoints that load without executing anything."""
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
# Of each logged value: more than any window it is averaged over. All of them
# would outgrow what was learned; they are in the run's scalars.json.
KEPT = 100
_BUFFER_KEYS = {'log_history', 'count_history', 'max_length'}


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Keep a training checkpoint free of pickled classes.

    MMEngine stores the message hub's ``HistoryBuffer`` objects and numpy
    scalars, which ``torch.load`` refuses by default since torch 2.6, so that
    a run could not be resumed. This hook writes lists, dicts, numbers, strings
    and tensors only, of each buffer the newest, and rebuilds the buffers when
    a checkpoint is loaded.

    Weights (keys that end in ``state_dict``) are left alone. Anything else
    that has no plain form is dropped with a warning that says where it was.
    """

    # Last, so that it sees what the other hooks put into the checkpoint.
    priority = 'LOWEST'

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Replace what a safe load refuses, in place.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The checkpoint about to be saved.
        """
        for key, value in checkpoint.items():
            if not key.endswith('state_dict'):
                checkpoint[key] = to_plain(value, key)

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
                scalars[name] = _to_buffer(value)


def to_plain(value: Any, where: str = 'value') -> Any:
    """Rebuild a value from types that a safe load accepts.

    Numpy arrays become lists, subclasses of ``dict``, ``list``, ``tuple`` and
    ``str`` become their base, paths become strings.

    Args:
        value (Any): The value.
        where (str): Its place in the checkpoint, for the warning.

    Returns:
        Any: The plain value; None for one without a plain form.
    """
    # Subclasses such as `np.float64` (a float) and enums are not plain.
    if type(value) in _PLAIN or isinstance(value, torch.Tensor):
        return value
    if isinstance(value, HistoryBuffer):
        return _from_buffer(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return to_plain(value.tolist(), where)
    if isinstance(value, dict):
        # The two subclasses that a safe load knows; schedulers use Counter.
        kind = next((k for k in (OrderedDict, Counter)
                     if isinstance(value, k)), dict)
        return kind({
            to_plain(k, f'{where} (a key)'): to_plain(v, f'{where}.{k}')
            for k, v in value.items()
        })
    for kind in (list, tuple, set):
        if isinstance(value, kind):
            return kind(
                to_plain(v, f'{where}[{i}]') for i, v in enumerate(value))
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)  # an enum's own would say 'Class.NAME'
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    print_log(
        f'{where} ({type(value).__name__}) is left out of the checkpoint: it '
        'could not be loaded safely.',
        logger='current',
        level=logging.WARNING)
    return None


def _from_buffer(buffer: HistoryBuffer) -> dict[str, Any]:
    log, count = (torch.from_numpy(array[-KEPT:].copy())
                  for array in buffer.data)
    return dict(
        log_history=log, count_history=count, max_length=buffer.max_length)


def _to_buffer(plain: dict[str, Any]) -> HistoryBuffer:
    return HistoryBuffer(plain['log_history'].cpu().numpy(),
                         plain['count_history'].cpu().numpy(),
                         plain['max_length'])
