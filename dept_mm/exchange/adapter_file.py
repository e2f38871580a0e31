"""The adapter: a small file with the learned parameters, to share with others.

It is a ``.safetensors`` file. Its metadata hold two texts: ``dept_mm``, a
header in JSON, and ``sha256``, the checksum of header and tensors. The header
has these fields:

==============  =========================================================
``format``      number of the format: 1 for a classifier with a CLIP, 2 for a
                language model
``vocabulary``  in format 1, the classes it was trained on; see ``Vocabulary``
``modules``     what each module checks before it accepts its tensors: for
                ``backbone``, the CLIP (name, digest of its weights,
                preprocessing) and the prompt learner; for heads and necks
                with a row per class, the classes of the rows; in format 2,
                for the whole model, which has the empty name, the language
                model, the method, and the task
``recipe``      the config it was trained with; in format 2, that of the model,
                with the task and all sizes
``versions``    versions of the libraries that wrote it
``calibration`` in a calibrated model, ``temperature``: logits are divided by
                it before the softmax; and ``validation_scores``, in ascending
                order: see ``keep_scores`` in ``evaluation/conformal.py``; and
                ``distance_aware``, as in ``TunedModel``
==============  =========================================================

A file may come from a stranger. Nothing in it is executed, and any fault
raises a ``DeptError`` before anything is built.
"""
from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from dept_mm.errors import DeptError
from dept_mm.exchange.adapter_header import (
    TEXT_FORMAT,
    make_damage_error,
    parse_header,
)
from dept_mm.models.utils.header import KEY, pack
from dept_mm.structures import Vocabulary

SUFFIX = '.safetensors'
# Bytes; a thousand times what 1000 classes need. safetensors allows 100 MB.
MAX_HEADER = 1 << 24
DTYPES = ('F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'U8', 'BOOL')


@dataclass(frozen=True)
class AdapterFile:
    """The content of an adapter file.

    Attributes:
        path (Path): The file it was read from.
        header (dict): The header; see the table of this module.
        tensors (dict[str, Tensor]): The learned parameters.
    """
    path: Path
    header: dict
    tensors: dict[str, Tensor]

    @property
    def state_dict(self) -> dict[str, Tensor]:
        """Tensors and headers, in the form in which modules load them."""
        headers = {f'{name}.{KEY}' if name else KEY: pack(header)
                   for name, header in self.header['modules'].items()}
        return self.tensors | headers

    @property
    def is_text(self) -> bool:
        """Whether it is of a language model."""
        return self.header['format'] == TEXT_FORMAT

    @property
    def vocabulary(self) -> Vocabulary:
        """The classes that the model was trained on.

        Raises:
            DeptError: If it is of a language model.
        """
        if self.is_text:
            raise DeptError(f'{self.path} is of a language model, not of a '
                            'CLIP. dept_mm.load and tools/predict.py use it.')
        return Vocabulary(**self.header['vocabulary'])

    @property
    def dataset_meta(self) -> dict:
        """The classes, as a checkpoint lists them."""
        if self.is_text:
            return dict(classes=self.header['modules']['']['classes'])
        known = self.vocabulary
        return dict(classes=known.names, base_classes=known.base,
                    class_ids=known.ids, template=list(known.templates))

    @property
    def calibration(self) -> dict:
        """``temperature`` and ``validation_scores``; empty if the model is
        not calibrated."""
        return self.header.get('calibration', {})


def read_adapter(path: str | Path) -> AdapterFile:
    """Read and check an adapter.

    Args:
        path (str | Path): The file.

    Returns:
        AdapterFile: Its content.

    Raises:
        DeptError: If the file is absent, damaged, or not an adapter.
    """
    path = Path(path).expanduser()
    _check_start(path)
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            if not {'dept_mm', 'sha256'} <= set(metadata):
                raise DeptError(
                    f'{path} is a safetensors file, but not an adapter of '
                    f'this package (it holds {names[:3]}). Make one with '
                    'tools/publish_model.py from a checkpoint, or with '
                    'tools/import_checkpoint.py from one of public code.')
            for name in names:
                dtype = file.get_slice(name).get_dtype()
                if dtype not in DTYPES or f'.{name}'.endswith(f'.{KEY}'):
                    raise DeptError(f'{path}: an adapter cannot hold '
                                    f'{name!r:.200} of dtype {dtype}.')
            tensors = {name: file.get_tensor(name).clone() for name in names}
    except (SafetensorError, OSError, RuntimeError, OverflowError) as error:
        raise make_damage_error(path, error) from error
    if metadata['sha256'] != compute_checksum(metadata['dept_mm'], tensors):
        raise make_damage_error(path, 'its checksum differs')
    header = parse_header(path, metadata['dept_mm'])
    check_finite(path, tensors)
    return AdapterFile(path, header, tensors)


def compute_checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    """Compute the sha256 of the header and of the tensors.

    It covers names, types, shapes and values of the tensors.
    """
    found = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        found.update(json.dumps(
            [name, str(value.dtype), list(value.shape)]).encode())
        # numpy has no bfloat16.
        found.update(value.reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse the parameters of a diverged model.

    Raises:
        DeptError: If a value is nan or infinite.
    """
    wrong = [name for name, value in tensors.items()
             if value.is_floating_point() and not value.isfinite().all()]
    if wrong:
        raise DeptError(f'{path}: {wrong} hold values that are not finite; '
                        'such a model cannot predict anything.')


def _check_start(path: Path) -> None:
    """Check the first bytes, which allows a clearer error message.

    Raises:
        DeptError: If the file is a pickle, too short, or has a huge header.
    """
    try:
        with open(path, 'rb') as file:
            start = file.read(9)
    except OSError as error:
        raise DeptError(f'{path} cannot be read: {error}') from error
    # The first 8 bytes, a length, may be any; the header starts with `{`.
    if start[8:] != b'{' and start.startswith((b'PK', b'\x80')):
        raise DeptError(f'{path} is a pickle, whatever its name says; it was '
                        'not opened. tools/publish_model.py turns a .pth '
                        'into an adapter.')
    if len(start) < 8:
        raise make_damage_error(path, 'it is shorter than 8 bytes')
    size, = struct.unpack('<Q', start[:8])
    if size > MAX_HEADER:
        raise make_damage_error(path, f'its header would have {size} bytes')
