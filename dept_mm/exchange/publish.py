"""Conversion of a training checkpoint into an adapter."""
from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_file import SUFFIX
from dept_mm.exchange.adapter_writer import add_hash, write_adapter
from dept_mm.exchange.recipe import parse_config
from dept_mm.exchange.stub_pickle import explain_refusal
from dept_mm.structures import Vocabulary

# Options that name folders of the machine that trained.
PLACES = ('work_dir', 'load_from')


def publish_checkpoint(checkpoint: str | Path, out: str | Path,
                       ema: bool = True, calibration: Mapping | None = None
                       ) -> Path:
    """Write what a checkpoint has learned as an adapter.

    Args:
        checkpoint (str | Path): A ``.pth`` file of a training run.
        out (str | Path): Name of the adapter; as in MMPretrain's tool, the
            date and the start of the file's sha256 are appended to its stem.
        ema (bool): Whether to use the moving average of the weights, if there
            is one. Defaults to True.
        calibration (Mapping, optional): See ``write_adapter``, if the model
            is calibrated.

    Returns:
        Path: The file that was written.

    Raises:
        DeptError: If the checkpoint cannot be read or holds no
            ``PromptedCLIP``, or if the folder of the adapter does not exist.
    """
    out = Path(out)
    if not out.parent.is_dir():
        raise DeptError(f'The folder {out.parent} does not exist; create it.')
    found = read_checkpoint(checkpoint)
    state, meta = dict(found['state_dict']), found.get('meta', {})
    if not ema:  # MMEngine swaps the two when it saves
        state.update({key.removeprefix('module.'): value for key, value
                      in found.get('ema_state_dict', {}).items()
                      if key.startswith('module.')})
    if 'cfg' not in meta:
        raise DeptError(f'{checkpoint} holds no config (meta.cfg): it is not '
                        'a checkpoint of a training run.')
    data = meta.get('dataset_meta') or {}
    vocabulary = (Vocabulary.from_metainfo(data) if data.get('classes')
                  else None)
    name = out if out.suffix == SUFFIX else out.with_name(out.name + SUFFIX)
    recipe = {key: value for key, value in parse_config(meta['cfg']).items()
              if key not in PLACES}
    write_adapter(name, state, recipe, vocabulary, calibration)
    return name.rename(add_hash(name, name.read_bytes()))


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint of a training run without executing anything in it.

    Raises:
        DeptError: If it cannot be read or is not a checkpoint.
    """
    try:
        found = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError,
            pickle.UnpicklingError) as error:
        raise DeptError(f'{path} cannot be read: {explain_refusal(error)}'
                        ) from error
    if not isinstance(found, dict) or 'state_dict' not in found:
        raise DeptError(f'{path} has no state_dict: it is not a checkpoint of '
                        'a training run.')
    return found
