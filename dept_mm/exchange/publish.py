"""Conversion of a training checkpoint into an adapter."""
from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_file import SUFFIX
from dept_mm.exchange.adapter_writer import add_hash, write_adapter
from dept_mm.exchange.recipe import parse_config
from dept_mm.exchange.stub_pickle import explain_refusal
from dept_mm.structures import Vocabulary

# Options that name folders of the machine that trained.
PLACES = ('work_dir', 'load_from')


class Run(NamedTuple):
    """What a checkpoint says of its run.

    Attributes:
        state (dict): The state dict.
        recipe (dict): The config, in JSON types, without names of folders of
            the machine that trained.
        dataset_meta (dict): The classes; may be empty.
    """
    state: dict
    recipe: dict
    dataset_meta: dict


def publish_checkpoint(checkpoint: str | Path, out: str | Path,
                       ema: bool = True, calibration: Mapping | None = None
                       ) -> Path:
    """Write what a checkpoint of a CLIP has learned as an adapter.

    Args:
        checkpoint (str | Path): A ``.pth`` file of a training run.
        out (str | Path): See ``write_named``.
        ema (bool): See ``read_run``. Defaults to True.
        calibration (Mapping, optional): See ``write_adapter``, if the model
            is calibrated.

    Returns:
        Path: The file that was written.

    Raises:
        DeptError: If the checkpoint cannot be read or holds no
            ``PromptedCLIP``, or if the folder of the adapter does not exist.
    """
    return write_named(out, lambda path: write_classifier(
        path, read_run(checkpoint, ema), calibration))


def write_classifier(path: str | Path, run: Run,
                     calibration: Mapping | None = None) -> None:
    """Write what a classifier with a CLIP has learned as an adapter; see
    ``write_adapter``."""
    vocabulary = (Vocabulary.from_metainfo(run.dataset_meta)
                  if run.dataset_meta.get('classes') else None)
    write_adapter(path, run.state, run.recipe, vocabulary, calibration)


def write_named(out: str | Path, write: Callable[[Path], None]) -> Path:
    """Write an adapter, and name it after its content.

    Args:
        out (str | Path): Name of the adapter; as in MMPretrain's tool, the
            date and the start of the file's sha256 are appended to its stem.
        write (Callable): Writes it to a path.

    Returns:
        Path: The file.

    Raises:
        DeptError: If its folder does not exist, or by ``write``.
    """
    out = Path(out)
    if not out.parent.is_dir():
        raise DeptError(f'The folder {out.parent} does not exist; create it.')
    name = out if out.suffix == SUFFIX else out.with_name(out.name + SUFFIX)
    write(name)
    return name.rename(add_hash(name, name.read_bytes()))


def read_run(checkpoint: str | Path, ema: bool = True) -> Run:
    """Read what a checkpoint has learned, and by which config.

    Args:
        checkpoint (str | Path): A ``.pth`` file of a training run.
        ema (bool): Whether to use the moving average of the weights, if there
            is one. Defaults to True.

    Raises:
        DeptError: If it cannot be read, or is of no training run.
    """
    found = read_checkpoint(checkpoint)
    state, meta = dict(found['state_dict']), found.get('meta', {})
    if not ema:  # MMEngine swaps the two when it saves
        state.update({key.removeprefix('module.'): value for key, value
                      in found.get('ema_state_dict', {}).items()
                      if key.startswith('module.')})
    if 'cfg' not in meta:
        raise DeptError(f'{checkpoint} holds no config (meta.cfg): it is not '
                        'a checkpoint of a training run.')
    recipe = {key: value for key, value in parse_config(meta['cfg']).items()
              if key not in PLACES}
    return Run(state, recipe, meta.get('dataset_meta') or {})


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
