"""The predictions of each image, and the file that keeps them.

``predictions.npz`` lies beside ``result.json``. It holds an array of records
for each row of the results (such as ``'zero-shot'`` and ``'tuned'``) and data
set, and the names of images and classes. NumPy reads it without pickle.
"""
from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from dept_mm.errors import DeptError

FILE = 'predictions.npz'
TOP = 5
# What is kept of an image. Its classes are those that it was scored among;
# `top` is -1 where there are fewer. `log_true` is the logarithm, since a
# probability may underflow. `squares` is the sum of all squared probabilities.
RECORD = np.dtype([
    ('index', np.int32), ('label', np.int32), ('top', np.int32, TOP),
    ('probability', np.float32, TOP), ('log_true', np.float32),
    ('squares', np.float32)])


def record_predictions(index: Sequence[int], label: Sequence[int],
                       logits: Tensor, among: Sequence[int]) -> np.ndarray:
    """Make the records of some images that are scored among the same classes.

    Args:
        index (Sequence[int]): Positions of the images in their data set,
            ``(N, )``.
        label (Sequence[int]): Their labels, ``(N, )``, which are in ``among``.
        logits (Tensor): Logits ``(N, C)`` of the classes in ``among``.
        among (Sequence[int]): Labels of these classes, ``(C, )``.

    Returns:
        np.ndarray: Records ``(N, )``.
    """
    among = np.asarray(among)
    found = np.zeros(len(label), RECORD)
    found['index'], found['label'], found['top'] = index, label, -1
    logits = logits.detach()
    log_prob = logits.float().log_softmax(1)
    # The first of several equal logits is the prediction, which topk does not
    # promise: put it before the others.
    first = logits.argmax(1, keepdim=True)
    column = logits.topk(min(TOP, len(among)), dim=1).indices
    last = (column == first).int().argsort(dim=1, stable=True)
    column = torch.cat([first, column.gather(1, last)], 1)[:, :len(column[0])]
    best = log_prob.gather(1, column).exp()
    found['top'][:, :best.shape[1]] = among[column.cpu().numpy()]
    found['probability'][:, :best.shape[1]] = best.cpu().numpy()
    true = np.argmax(np.asarray(label)[:, None] == among, axis=1)
    found['log_true'] = log_prob.cpu().numpy()[np.arange(len(true)), true]
    found['squares'] = log_prob.exp().square().sum(1).cpu().numpy()
    return found


def pack_predictions(rows: Mapping[str, Mapping[str, np.ndarray]],
                     about: Mapping[str, Mapping]) -> bytes:
    """Make the content of ``predictions.npz``.

    Args:
        rows (Mapping): Row of the results -> data set -> records.
        about (Mapping): Data set -> JSON types: ``classes`` (names), ``ids``,
            ``base`` (labels) and ``images`` (paths), all in their order.
    """
    names = [(row, data) for row in rows for data in rows[row]]
    # Names of rows and data sets are data, not names of files in an archive.
    head = json.dumps(dict(names=names, about=about))
    file = io.BytesIO()
    np.savez_compressed(
        file, head=np.frombuffer(head.encode(), np.uint8),
        **{f'records{i}': rows[row][data]
           for i, (row, data) in enumerate(names)})
    return file.getvalue()


def read_predictions(folder: str | Path
                     ) -> tuple[dict[str, dict[str, np.ndarray]], dict]:
    """Read the predictions in a folder; there may be none.

    Returns:
        tuple[dict, dict]: What ``pack_predictions`` was given, or two empty
        dicts.

    Raises:
        DeptError: If the file is damaged.
    """
    path = Path(folder, FILE)
    if not path.is_file():
        return {}, {}
    rows: dict[str, dict[str, np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            head = json.loads(file['head'].tobytes())
            for i, (row, data) in enumerate(head['names']):
                found = file[f'records{i}']
                if found.dtype != RECORD:
                    raise ValueError(f'records of type {found.dtype}')
                rows.setdefault(row, {})[data] = found
        return rows, head['about']
    except (ValueError, KeyError, TypeError, OSError, BadZipFile) as error:
        raise DeptError(f'{path} is damaged ({error}): test the model again '
                        'with tools/test.py.') from error
