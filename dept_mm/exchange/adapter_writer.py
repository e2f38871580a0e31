"""Write adapters; see :mod:`dept_mm.exchange.adapter_file`."""
from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import mmengine
import mmpretrain
import open_clip
import torch
from safetensors.torch import save
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_file import (
    SUFFIX,
    check_finite,
    compute_checksum,
    read_adapter,
)
from dept_mm.exchange.adapter_header import FORMAT
from dept_mm.exchange.recipe import embed_sentences
from dept_mm.models.utils.header import KEY, unpack
from dept_mm.structures import Vocabulary
from dept_mm.utils.files import write_atomically
from dept_mm.version import __version__

HASH = r'_\d{8}-[0-9a-f]{8}$'  # at the end of the name of a published file


def write_adapter(path: str | Path, state: Mapping[str, Tensor], recipe: dict,
                  vocabulary: Vocabulary | None = None,
                  calibration: Mapping | None = None) -> None:
    """Write an adapter, such that the file is complete or absent.

    Args:
        path (str | Path): The file; its name must end in ``.safetensors``.
        state (Mapping[str, Tensor]): State dict of the classifier.
        recipe (dict): Config of the classifier, in JSON types.
        vocabulary (Vocabulary, optional): The classes, needed if the backbone
            has no vocabulary.
        calibration (Mapping, optional): ``temperature`` and
            ``validation_scores``, if the classifier is calibrated.

    Raises:
        DeptError: If the classifier has no ``PromptedCLIP``, if a value is not
            finite, or if the file cannot be written.
    """
    modules = read_headers(state)
    known = modules.get('backbone', {}).get('vocabulary')
    if known is None and vocabulary is not None:
        known = vocabulary.to_dict()
    if 'clip' not in modules.get('backbone', {}) or known is None:
        raise DeptError('Only a classifier with a PromptedCLIP and a class '
                        'list can be written as an adapter.')
    header = dict(format=FORMAT, vocabulary=known,
                  recipe=embed_sentences(recipe))
    if calibration is not None:
        header['calibration'] = dict(calibration)
    write_parts(path, header, state)


def read_headers(state: Mapping[str, Tensor]) -> dict[str, dict]:
    """Read the headers in a state dict, by the names of their modules; the
    whole model has the empty name."""
    end = f'.{KEY}'
    return {f'.{key}'.removesuffix(end)[1:]: unpack(value)
            for key, value in state.items() if f'.{key}'.endswith(end)}


def is_text_state(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict is of a language model: its header says so."""
    return 'lm' in read_headers(state).get('', {})


def write_parts(path: str | Path, header: Mapping,
                state: Mapping[str, Tensor]) -> None:
    """Write an adapter of any format.

    Args:
        path (str | Path): The file; its name must end in ``.safetensors``.
        header (Mapping): What its format has beside ``modules`` and
            ``versions``.
        state (Mapping[str, Tensor]): State dict of the model.

    Raises:
        DeptError: If a value is not finite, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise DeptError(f'{path}: the name of an adapter ends in {SUFFIX}.')
    tensors = {key: value.detach().cpu().contiguous().clone()
               for key, value in state.items()
               if not f'.{key}'.endswith(f'.{KEY}')}
    check_finite(path, tensors)
    versions = dict(dept_mm=__version__, mmengine=mmengine.__version__,
                    mmpretrain=mmpretrain.__version__,
                    open_clip=open_clip.__version__,
                    torch=torch.__version__)
    _save(path, _pack(dict(header, modules=read_headers(state),
                           versions=versions), tensors))


def calibrate_adapter(path: str | Path, calibration: Mapping) -> Path:
    """Write a calibration into an adapter, in place of one it may have.

    Args:
        path (str | Path): The adapter.
        calibration (Mapping): ``temperature``, what logits are divided by
            before the softmax, and ``validation_scores``.

    Returns:
        Path: The adapter; if its name ends in the hash of its content, a new
        one beside it, with the hash of its own.

    Raises:
        DeptError: If it is no adapter, or cannot be written.
    """
    file = read_adapter(path)
    header = dict(file.header, calibration=dict(calibration))
    data = _pack(header, file.tensors)
    stem = re.sub(HASH, '', file.path.stem)
    path = file.path
    if stem != path.stem:
        path = add_hash(path.with_stem(stem), data)
    _save(path, data)
    return path


def add_hash(path: Path, data: bytes) -> Path:
    """Append the date and the start of the sha256 of a file's content to the
    stem of its name, as MMPretrain's tool does."""
    date = datetime.date.today().strftime('%Y%m%d')
    sha = hashlib.sha256(data).hexdigest()[:8]
    return path.with_stem(f'{path.stem}_{date}-{sha}')


def _pack(header: dict, tensors: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of an adapter, its checksum among them."""
    text = json.dumps(header)
    return save(dict(tensors), dict(dept_mm=text,
                                    sha256=compute_checksum(text, tensors)))


def _save(path: Path, data: bytes) -> None:
    """Write the bytes of an adapter.

    Raises:
        DeptError: If that is not possible.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        raise DeptError(f'{path} cannot be written: {error}') from error
